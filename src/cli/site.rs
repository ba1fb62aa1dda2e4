//! One environment of this host, as the verbs work on it.

use super::Session;
use super::failure::CliError;
use super::settings;
use reportctl::context::Context;
use reportctl::fs::{self, Lock, LockError};
use reportctl::journal::store::{self, Memory};
use reportctl::model::component::ComponentName;
use reportctl::model::environment::{Environment, Machine};
use reportctl::model::facts::Facts;
use reportctl::model::guest::MadeBy;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::inventory::{Inventory, Observed};
use reportctl::model::paths::Paths;
use reportctl::model::secret::Secrets;
use reportctl::observe;
use reportctl::plan::step::Plan;
use reportctl::plan::wanted::{Outlook, Wanted, outlook};
use reportctl::plan::{Inputs, planner, teardown};
use reportctl::project::Project;
use reportctl::reach::Direct;
use reportctl::reach::guest::Inside;
use reportctl::reach::machine::{Seen, WayError};
use std::path::PathBuf;

/// The identity that stands in plans of an environment that has none yet: it is drawn when the environment is made, so
/// that plans of the same things are the same until then.
const NOT_DRAWN: &str = "00000000";

/// One environment of this host.
pub struct Site<'a> {
    pub context: &'a Context,
    pub env: Environment,
    pub paths: Paths,
    /// Where the components' files are in the machine that is made for it, where one is.
    machine: Option<Paths>,
    /// The folder of our own source, if there is one.
    pub checkout: Option<PathBuf>,
}

/// What was seen of it.
pub struct Look {
    /// Its identity, or what stands for one that is not drawn yet.
    pub id: EnvId,
    pub inventory: Inventory,
}

/// What a plan is to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// It runs.
    Up,
    /// Its machine is as it was when it was initialised, and the stack runs in it.
    Reset,
    /// It is gone, or only stopped.
    Down { keep_data: bool },
}

impl<'a> Site<'a> {
    /// The environment of that name.
    ///
    /// Errors: there is none, its files are wrong, or there is no folder for state.
    pub fn open(session: &Session<'a>, name: &EnvName) -> Result<Self, CliError> {
        Self::of(session, session.project.load(name.as_str())?)
    }

    /// That environment.
    ///
    /// Errors: there is no folder for state.
    pub fn of(session: &Session<'a>, env: Environment) -> Result<Self, CliError> {
        let paths = Paths::new(&settings::state_folder(session.context)?, &env.name);
        let checkout = session.project.checkout(&session.context.program);
        let machine = env.machine.blueprint().map(|_| Paths::system());
        Ok(Self { context: session.context, env, paths, machine, checkout })
    }

    /// Has the environment's machine made by something else than its file says, with the shape that the embedded
    /// environment of that name has: what is there already can then be looked at, and taken away.
    ///
    /// Errors: an embedded file is wrong, which is a mistake of this program.
    pub fn stand_in(&mut self, made_by: MadeBy) -> Result<(), CliError> {
        let name = match made_by {
            MadeBy::Host => "local",
            MadeBy::Lxd => "lxd",
            MadeBy::Multipass => "multipass",
        };
        let embedded = Project::embedded().load(name).map_err(|error| CliError::Bug(error.to_string()))?;
        self.env.machine = embedded.machine;
        self.machine = self.env.machine.blueprint().map(|_| Paths::system());
        Ok(())
    }

    /// Has its machine start from no baked image, and none be made of it.
    ///
    /// Errors: it has no machine of LXD.
    pub fn do_not_bake(&mut self) -> Result<(), CliError> {
        match &mut self.env.machine {
            Machine::Lxd(machine) => {
                machine.bake = false;
                Ok(())
            }
            Machine::Host { .. } | Machine::Multipass(_) => Err(CliError::NotBaked { env: self.env.name.clone() }),
        }
    }

    /// Takes the environment's lock.
    ///
    /// Errors: somebody else holds it.
    pub fn lock(&self, verb: &str) -> Result<Lock, CliError> {
        let who = |name: &str| self.context.var(name).map(str::to_owned);
        let user = who("USER").or_else(|| who("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        let (pid, since) = (std::process::id(), self.context.timestamp());
        let holder = format!("`reportctl {verb}` of {user} on {host}, process {pid}, since {since}");
        Lock::take(&self.paths.lock, &holder).map_err(|error| match error {
            LockError::Held { holder } => CliError::Locked { env: self.env.name.clone(), holder },
            LockError::Fs(error) => error.into(),
        })
    }

    /// What the journals remember.
    ///
    /// Errors: one cannot be read, or is of another release.
    pub fn recall(&self) -> Result<Memory, CliError> {
        Ok(store::recall(&self.paths)?)
    }

    /// Looks at the world. Without a known identity, `id` or one that is not drawn yet stands for it.
    pub async fn look(&self, facts: &Facts, id: Option<&EnvId>) -> Result<Look, CliError> {
        let written = match fs::observe(&self.paths.identity()) {
            // One of another name is somebody else's; the planner says so.
            Observed::Present(text) => EnvId::parse(text.trim()).ok().filter(|id| id.name() == self.env.name.as_str()),
            Observed::Absent | Observed::Unknown(_) => None,
        };
        let id = match id.cloned().or_else(|| facts.id.clone()).or(written) {
            Some(id) => id,
            None => not_drawn(&self.env.name)?,
        };
        let checkout = self.checkout.as_deref();
        let inventory = observe::observe(self.context, &self.env, &self.paths, facts, &id, checkout).await;
        Ok(Look { id, inventory })
    }

    /// Where the components' files are.
    pub fn place(&self) -> &Paths {
        self.machine.as_ref().unwrap_or(&self.paths)
    }

    /// The way to these ports of the components, as long as it is held: direct, or by a tunnel into the machine.
    ///
    /// Errors: there is no way, as in a machine that does not run.
    pub async fn way(&self, look: &Look, secrets: &Secrets, ports: &[u16]) -> Result<Direct, WayError> {
        match look.inventory.machine.there() {
            None => Ok(Direct::new()?),
            Some((guest, address)) => {
                let seen = Seen { guest: &guest, address, records: &self.paths };
                seen.open(self.context, secrets, ports).await
            }
        }
    }

    /// The way into the environment's machine, where it runs; none where the components run on this host.
    pub fn inside(&self, look: &Look, secrets: &Secrets) -> Option<Inside> {
        let (guest, _) = look.inventory.machine.there()?;
        Some(Inside::new(self.context, &guest).mask(secrets))
    }

    /// What a plan is made from.
    pub fn inputs<'b>(&'b self, facts: &'b Facts, look: &'b Look) -> Inputs<'b> {
        let (paths, place) = (&self.paths, self.place());
        Inputs { env: &self.env, paths, place, facts, inventory: &look.inventory, id: &look.id }
    }

    /// The plan for what was seen.
    ///
    /// Errors: something that must hold does not.
    pub fn plan(&self, aim: Aim, facts: &Facts, look: &Look) -> Result<Plan, CliError> {
        let inputs = self.inputs(facts, look);
        let plan = match aim {
            Aim::Up => planner::up(&inputs),
            Aim::Reset => planner::reset(&inputs),
            Aim::Down { keep_data } => teardown::down(&inputs, keep_data),
        };
        plan.map_err(|error| CliError::Plan { env: self.env.name.clone(), error })
    }

    /// What shall run here, of which `component` runs.
    ///
    /// Errors: the environment is not up, or the component does not run.
    pub fn running<'b>(
        &'b self,
        facts: &'b Facts,
        look: &'b Look,
        component: ComponentName,
    ) -> Result<Box<Wanted<'b>>, CliError> {
        let env = || self.env.name.clone();
        if is_not_drawn(&look.id) {
            return Err(CliError::NotUp { env: env() });
        }
        let wanted = match outlook(&self.inputs(facts, look)) {
            Ok(Outlook::Run(wanted)) => wanted,
            Ok(Outlook::Install(_)) => return Err(CliError::NotUp { env: env() }),
            Err(error) => return Err(CliError::Plan { env: env(), error }),
        };
        let runs = look.inventory.agent.present().is_some_and(|agent| agent.services.contains_key(&component));
        let reason = match (wanted.natives.contains_key(&component), wanted.skipped.get(&component)) {
            (true, _) if runs => return Ok(wanted),
            (true, _) => "it does not run".to_owned(),
            (false, Some(reason)) => reason.clone(),
            (false, None) => "it is not part of this environment".to_owned(),
        };
        Err(CliError::NotThere { env: env(), component, reason })
    }

    /// Draws a new identity.
    ///
    /// Errors: the host has no randomness to give.
    pub fn draw(&self) -> Result<EnvId, CliError> {
        let suffix = self.context.random_lower(8).map_err(CliError::Host)?;
        EnvId::join(&self.env.name, &suffix).map_err(|error| CliError::Bug(error.to_string()))
    }

    /// The one command that removes everything that carries `id`, as it can be typed from anywhere.
    pub fn reclaim(&self, id: &EnvId) -> String {
        let mut words = vec![super::program(self.context), "down".to_owned(), "--id".to_owned(), id.to_string()];
        if let Some(folder) = self.context.var("XDG_STATE_HOME") {
            words.splice(0..0, ["env".to_owned(), format!("XDG_STATE_HOME={folder}")]);
        }
        reportctl::model::argv::join(words)
    }
}

/// What stands for an identity that is not drawn yet.
pub fn not_drawn(name: &EnvName) -> Result<EnvId, CliError> {
    EnvId::join(name, NOT_DRAWN).map_err(|error| CliError::Bug(error.to_string()))
}

/// Whether it stands for an identity that is not drawn yet.
pub fn is_not_drawn(id: &EnvId) -> bool {
    id.as_str().ends_with(NOT_DRAWN)
}
