//! What the number that a command ends with means: one meaning over all verbs.

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// 0
    Ok = 0,
    /// 1
    Failed = 1,
    /// 2
    Usage = 2,
    /// 3
    InvalidFiles = 3,
    /// 4
    NoChecks = 4,
    /// 5
    ChangesPending = 5,
    /// 6
    EnvironmentNotFound = 6,
    /// 7
    Locked = 7,
    /// 8
    Precondition = 8,
    /// 9
    Timeout = 9,
    /// 10
    DeployFailed = 10,
    /// 11
    SmokeFailed = 11,
    /// 12
    RolledBack = 12,
    /// 13
    RollbackFailed = 13,
    /// 14
    LeftBehind = 14,
    /// 15
    BudgetRefused = 15,
    /// 16
    ForeignTool = 16,
    /// 70
    Bug = 70,
    /// 130
    Interrupted = 130,
    /// 143
    Terminated = 143,
}

impl ExitCode {
    /// Every code, by number.
    pub const ALL: [Self; 20] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::InvalidFiles,
        Self::NoChecks,
        Self::ChangesPending,
        Self::EnvironmentNotFound,
        Self::Locked,
        Self::Precondition,
        Self::Timeout,
        Self::DeployFailed,
        Self::SmokeFailed,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::LeftBehind,
        Self::BudgetRefused,
        Self::ForeignTool,
        Self::Bug,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name, as it stands in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::InvalidFiles => "invalid-files",
            Self::NoChecks => "no-checks-selected",
            Self::ChangesPending => "changes-pending",
            Self::EnvironmentNotFound => "environment-not-found",
            Self::Locked => "locked",
            Self::Precondition => "precondition-failed",
            Self::Timeout => "timeout",
            Self::DeployFailed => "deploy-failed",
            Self::SmokeFailed => "smoke-failed",
            Self::RolledBack => "upgrade-rolled-back",
            Self::RollbackFailed => "rollback-failed",
            Self::LeftBehind => "something-left",
            Self::BudgetRefused => "budget-refused",
            Self::ForeignTool => "foreign-tool",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// One line for tables.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, or nothing to do",
            Self::Failed => "failed in a way that has no code of its own",
            Self::Usage => "the command line is wrong, or a question needs a terminal or a flag",
            Self::InvalidFiles => "a file is not valid; every mistake was shown",
            Self::NoChecks => "the selection leaves no smoke check to run",
            Self::ChangesPending => "`plan --detailed-exitcode` found changes",
            Self::EnvironmentNotFound => "there is no environment of that name",
            Self::Locked => "another command works on this environment",
            Self::Precondition => "something that must hold before does not",
            Self::Timeout => "it took longer than it may, or nothing changed for too long",
            Self::DeployFailed => "a step of the run failed",
            Self::SmokeFailed => "a smoke check failed",
            Self::RolledBack => "an upgrade failed and was rolled back",
            Self::RollbackFailed => "an upgrade failed and so did its rollback",
            Self::LeftBehind => "something is left after teardown",
            Self::BudgetRefused => "it would cost more than the budget allows",
            Self::ForeignTool => "a program that is needed is missing or too old",
            Self::Bug => "a mistake of reportctl itself",
            Self::Interrupted => "interrupted by Ctrl-C; it can be gone on with",
            Self::Terminated => "interrupted by SIGTERM; it can be gone on with",
        }
    }

    /// What to do about it, for `explain`.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Ok => "Nothing is to be done.",
            Self::Failed => "Read the error: it says what failed and what to type next.",
            Self::Usage => {
                "`reportctl help VERB` shows what the verb takes. Where a question could not be asked because there is \
                 no terminal, the error names the flag that answers it."
            }
            Self::InvalidFiles => {
                "Mend the places that were shown, and type `reportctl validate` until it is silent about them. Nothing \
                 was changed."
            }
            Self::NoChecks => {
                "Zero checks prove nothing, so it is a failure. `reportctl smoke --list` shows the checks; select some \
                 of these, or bring the stack up first."
            }
            Self::ChangesPending => {
                "`reportctl up` makes the changes. Without `--detailed-exitcode` a plan with changes ends with 0."
            }
            Self::EnvironmentNotFound => {
                "`reportctl env list` shows the environments. `reportctl init NAME --from local` writes a new one. In \
                 another folder, name the project with `-C DIR`."
            }
            Self::Locked => {
                "The error names who holds the lock, since when and with which verb. Wait for it or end it; the lock \
                 is free as soon as its process is gone, and there is nothing to remove by hand."
            }
            Self::Precondition => {
                "`reportctl doctor` says what is missing here and the command that mends it. For a saved plan: the \
                 world has changed since, so plan again."
            }
            Self::Timeout => {
                "The error names what was not ready and what was seen last. Type the same command again to go on; \
                 `--timeout` allows more time for the whole run."
            }
            Self::DeployFailed => {
                "The error names the step, the cause and the dossier with the evidence. Mend the cause and type the \
                 same command again: it goes on where it stopped. `reportctl down` takes everything away."
            }
            Self::SmokeFailed => {
                "The stack is up but not right. The failed checks say what was seen and what to type next; \
                 `reportctl smoke` runs them again."
            }
            Self::RolledBack => "The old version runs again. No verb of this release upgrades.",
            Self::RollbackFailed => "Look at it by hand before anything else. No verb of this release upgrades.",
            Self::LeftBehind => "The error names what is left. Type `reportctl down` again once its cause is mended.",
            Self::BudgetRefused => "Nothing was made. No verb of this release makes what costs money.",
            Self::ForeignTool => "`reportctl doctor` names the program and the command that installs it.",
            Self::Bug => "Please report it with the whole message; with `RUST_BACKTRACE=1` it shows more.",
            Self::Interrupted | Self::Terminated => {
                "Every step that was begun reached its line in the journal. Type the same command again to go on, or \
                 `reportctl down` to take everything away."
            }
        }
    }

    /// The code of that number or name.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == text || code.number().to_string() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_used_once_and_in_order() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        let names: std::collections::BTreeSet<_> = ExitCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ExitCode::ALL.len());
        assert_eq!(ExitCode::find("7"), ExitCode::find("locked"));
        assert_eq!(ExitCode::find("99"), None);
    }
}
