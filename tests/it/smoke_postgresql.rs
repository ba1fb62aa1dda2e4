//! Smoke checks of PostgreSQL, on the real one.

use super::fakes_rendered::{stage, up};
use super::smoke_support::{comes_to_fail, fails, passes, target, version_of};
use reportctl::model::component::ComponentName::Postgresql;
use reportctl::model::environment::secret_name;
use reportctl::model::quantity::Version;
use reportctl::model::secret::SecretValue;
use std::process::Command;

#[test]
fn postgresql_must_know_uptrace_and_refuse_strangers() {
    let mut stage = stage("2.1.0");
    stage.active.retain(|name, _| *name == Postgresql);
    stage.env.stack.components.retain(|name, _| *name == Postgresql);
    stage.active.get_mut(&Postgresql).unwrap().0.version = version_of(Postgresql).unwrap();
    let running = up(&stage, Postgresql);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        passes(target(&stage), "postgresql/answers").await;
        passes(target(&stage), "postgresql/refuses-strangers").await;
        let left = std::fs::read_dir(stage.paths.smoke()).unwrap().count();
        assert_eq!(left, 0, "the file with the password is left");

        let mut other = target(&stage);
        let secret = secret_name(Postgresql, "uptrace").unwrap();
        other.secrets.insert(secret, SecretValue::parse("another-password").unwrap());
        fails(other, "postgresql/answers", "password authentication failed for user \"uptrace\"").await;
        let mut other = target(&stage);
        other.active.get_mut(&Postgresql).unwrap().program.version = Version::parse("9.6.24").unwrap();
        fails(other, "postgresql/answers", "runs").await;

        // Somebody opens the door to everybody.
        let rules = stage.native(Postgresql).service.argv;
        let cluster = rules.iter().skip_while(|word| *word != "-D").nth(1).unwrap();
        let path = std::path::Path::new(cluster).join("pg_hba.conf");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("scram-sha-256"));
        std::fs::write(&path, text.replace("scram-sha-256", "trust")).unwrap();
        assert!(Command::new("kill").args(["-HUP", &running.child.id().to_string()]).status().unwrap().success());
        let seen = "uptrace is logged in with a wrong password";
        comes_to_fail(target(&stage), "postgresql/refuses-strangers", seen).await;
        drop(running);
        fails(target(&stage), "postgresql/answers", "refused").await;
    });
}
