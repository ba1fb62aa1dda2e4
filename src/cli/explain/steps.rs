//! What each kind of step does, why it may fail, and how what it makes is taken away.

use reportctl::model::component::ComponentName;

/// What is to be known of a kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKind {
    /// Its id, with `COMPONENT` where that stands for each of them.
    pub id: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What to look at when it fails.
    pub fails: &'static str,
}

const fn kind(id: &'static str, does: &'static str, fails: &'static str) -> StepKind {
    StepKind { id, does, fails }
}

/// Every kind of step, in the order in which a run has them.
pub const KINDS: [StepKind; 26] = [
    kind(
        "env/claim",
        "Makes the environment's folder, of mode 0700, and writes the identity into it. Everything that is made \
         carries this identity; what carries another, or none, is never touched.",
        "The folder is there and is somebody else's, or it cannot be written. `reportctl doctor` looks at it.",
    ),
    kind(
        "packages/install",
        "Installs the distribution's packages that are missing. A policy-rc.d that denies starts stands meanwhile, \
         where there is none, so that no system service is started; units that the packages brought are disabled.",
        "The end of what apt said is in the error. `reportctl doctor` says whether root and apt can be used. The \
         packages stay when the environment is taken away, and are named then.",
    ),
    kind(
        "packages/settle",
        "Undoes what an install that was cut off has left: our policy-rc.d, and units that it brought enabled.",
        "Root is needed for it, as it was for the install.",
    ),
    kind(
        "env/replan",
        "Ends this plan: versions decide what configuration is understood, so the host is looked at again and the \
         rest is planned, within the same run.",
        "It does nothing by itself.",
    ),
    kind(
        "services/build",
        "Builds report-requestor and report-runner with Cargo from the checkout that reportctl is used in, where they are \
         not installed; only when their source has changed since. What needs neither starts meanwhile.",
        "The end of what Cargo said is in the error, all of it in the file that is named there. What was built stays in \
         the checkout's folder `target`.",
    ),
    kind(
        "ports/reserve",
        "Remembers the chosen ports in the journal before anything listens on them, so that they stay the same.",
        "It fails only when the journal cannot be written.",
    ),
    kind(
        "secrets/store",
        "Makes or reads the secrets that are not stored yet, each into a file of mode 0600. A stored one is never \
         replaced.",
        "An environment variable or a file that a secret comes from is missing, or holds what cannot be a secret.",
    ),
    kind(
        "orphans/stop",
        "Ends processes of this environment that no agent looks after any more, in order: an agent that did not start a \
         process cannot know how it ends.",
        "A process does not end, even when it is killed: it hangs in the kernel, mostly on a disk.",
    ),
    kind(
        "agent/start",
        "Starts the environment's agent: one background process that starts the components, starts them again when \
         they end, and keeps their logs.",
        "See logs/agent.log in the environment's folder.",
    ),
    kind(
        "machine/way",
        "Lets this environment's key open tunnels to the machine's loopback address, and nothing else, and remembers the \
         machine's own keys, which are read over the channel by which commands get in.",
        "The machine has no ssh server, or its user-data made no user report-tunnel.",
    ),
    kind(
        "COMPONENT/program",
        "Brings a static program of ours into the machine, checks there that it came as it was sent and runs, and writes \
         down what it is.",
        "The machine's disk is full, or the program is not static: `services/build-static` makes those.",
    ),
    kind(
        "COMPONENT/configure",
        "Makes the component's folders and writes its files, secrets filled in.",
        "The disk is full, or the folder is not ours any more. `reportctl render` shows the files.",
    ),
    kind(
        "COMPONENT/tidy",
        "Removes configuration files that nothing writes any more.",
        "Something cannot be removed: the error names it.",
    ),
    kind(
        "COMPONENT/prepare",
        "Runs what must run once before the first start: a database's set-up, a migration.",
        "The program's own words are in the error.",
    ),
    kind(
        "COMPONENT/start",
        "Has the agent run the component's process, and replace one that runs differently.",
        "The program is gone or does not start; `reportctl logs COMPONENT` shows what it said.",
    ),
    kind(
        "COMPONENT/ready",
        "Waits until the component answers as it should. A status code alone does not count.",
        "It ended, or never answered: the error says what was seen last, `reportctl logs COMPONENT` what it said.",
    ),
    kind(
        "COMPONENT/stop",
        "Has the agent end the component's process: it is asked to end, and killed when it does not in time.",
        "The agent does not answer; type the same command again.",
    ),
    kind(
        "agent/stop",
        "Has the agent stop everything in reverse order, and end.",
        "The agent does not answer. What it leaves is found by its identity on the next `reportctl down`.",
    ),
    kind("data/remove", "Removes the components' data.", "Something in it cannot be removed: the error names it."),
    kind(
        "machine/recover",
        "Brings back a Multipass instance that was deleted with `multipass delete` and not purged. It does not run afterwards.",
        "It was purged meanwhile; `reportctl up` makes it anew.",
    ),
    kind(
        "machine/reset",
        "Stops the machine and puts it back to the snapshot that was taken once it had been initialised. What came into it \
         since then is lost.",
        "The snapshot is gone, or the storage pool is full. Until it has succeeded, `reportctl up` and `reportctl reset` do it \
         again.",
    ),
    kind(
        "bake/copy",
        "Copies the machine's snapshot: an image is made of the copy, while the stack comes up in the machine.",
        "The storage pool is full. `reportctl up --no-bake` goes without an image; a copy that is left is removed by the next \
         `up` or `down`.",
    ),
    kind(
        "bake/clean",
        "Takes out of the copy what is one machine's own: identities, keys, leases, logs, and what cloud-init remembers. \
         Nothing else runs in it meanwhile.",
        "A command in the copy failed: it is in the error, with what it said.",
    ),
    kind(
        "bake/publish",
        "Makes an image of the copy, from which the next equal machine starts. It stays when the environment goes: \
         `reportctl bake list` shows it, `reportctl bake prune` removes it.",
        "The disk is full, or an image that is not ours has its name.",
    ),
    kind("bake/tidy", "Deletes the copy.", "LXD is still at something with it: `lxc operation list` says what."),
    kind(
        "env/forget",
        "Removes the environment's folder, the journals last. After that nothing is left of it but packages.",
        "Something in it cannot be removed: the error names it.",
    ),
];

/// The kind of a step's id; `COMPONENT` may stand for a component.
pub fn find(id: &str) -> Option<StepKind> {
    if let Some(found) = KINDS.into_iter().find(|kind| kind.id == id) {
        return Some(found);
    }
    let (component, word) = id.split_once('/')?;
    ComponentName::parse(component)?;
    KINDS.into_iter().find(|kind| kind.id.strip_prefix("COMPONENT/") == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_any_component_is_known_and_other_words_are_not() {
        assert_eq!(find("redis/start").map(|kind| kind.id), Some("COMPONENT/start"));
        assert_eq!(find("agent/start").map(|kind| kind.id), Some("agent/start"));
        for unknown in ["redis", "redis/dance", "nobody/start", "/start", ""] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
    }
}
