//! What is done to Multipass, and what is made of all that can go wrong there: against the strict stand-in.

use crate::cloud_init_support::{in_machine, stack_blueprint};
use crate::multipass_support::{Behind, Bench};
use reportctl::model::environment::{Environment, Machine, MultipassMachine, PortPolicy};
use reportctl::model::facts::Facts;
use reportctl::model::guest::MadeBy;
use reportctl::model::inventory::Observed;
use reportctl::model::multipass::{Refusal, Status};
use reportctl::plan::multipass::MultipassAction;
use reportctl::provider::{FailureKind, Notes, multipass};
use reportctl::render::cloud_init::{Base, Substrate, user_data};
use std::time::{Duration, Instant};

const DATA: &str = "#cloud-config\nlocale: false\n";
const GENERATIONS: [&str; 2] = ["1.16.3", "1.17"];

fn env() -> Environment {
    let mut env = in_machine("mp");
    let machine =
        MultipassMachine { ports: PortPolicy::Free, authorized_keys: Vec::new(), blueprint: stack_blueprint() };
    env.machine = Machine::Multipass(Box::new(machine));
    env
}

fn bench(generation: &str) -> Bench {
    Bench::new(generation, Behind::Nothing)
}

fn named(bench: &Bench, make: fn(String, reportctl::model::ids::EnvId) -> MultipassAction) -> MultipassAction {
    make(bench.name.clone(), bench.id.clone())
}

fn delete(bench: &Bench) -> MultipassAction {
    named(bench, |name, id| MultipassAction::Delete { name, id })
}

fn start(bench: &Bench) -> MultipassAction {
    named(bench, |name, id| MultipassAction::Start { name, id })
}

#[tokio::test]
async fn an_instance_is_launched_stopped_started_and_deleted_in_both_generations() {
    for generation in GENERATIONS {
        let bench = bench(generation);
        for _ in 0..2 {
            bench.act(&bench.launch(DATA), 60).await.unwrap();
        }
        let seen = multipass::observe(&bench.context, &env(), &Facts::default(), &bench.id).await;
        assert!(seen.client.present().is_some() && seen.server.present().is_some() && seen.snapshots, "{seen:?}");
        let instance = seen.instance.present().unwrap();
        assert!(instance.is_running && instance.address.is_some(), "{instance:?}");
        for (action, state) in [
            (named(&bench, |name, id| MultipassAction::Stop { name, id }), "Stopped"),
            (start(&bench), "Running"),
            (named(&bench, |name, id| MultipassAction::Snapshot { name, id }), "Running"),
            (named(&bench, |name, id| MultipassAction::Restore { name, id }), "Stopped"),
            (start(&bench), "Running"),
        ] {
            for _ in 0..2 {
                bench.act(&action, 60).await.unwrap();
                assert_eq!(bench.state().as_deref(), Some(state), "{action:?}");
            }
        }
        let seen = multipass::observe(&bench.context, &env(), &Facts::default(), &bench.id).await;
        assert_eq!(seen.instance.present().unwrap().snapshots, 1);
        for _ in 0..2 {
            bench.act(&delete(&bench), 60).await.unwrap();
            assert_eq!(bench.state(), None);
        }
        let seen = multipass::observe(&bench.context, &env(), &Facts::default(), &bench.id).await;
        assert!(seen.instance.is_absent(), "{seen:?}");
    }
}

/// Each way in which Multipass says that it failed, although the machine is there or can be.
#[tokio::test]
async fn a_launch_is_judged_by_the_machine_and_not_by_its_exit_code() {
    for fault in [
        "ssh-never",
        "init-never",
        "stops-while-starting",
        "hash-mismatch",
        "daemon-down=3",
        "slow-download=1\nmultipass/client-timeout=0.2",
    ] {
        let bench = bench("1.16.3");
        bench.faults(&format!("multipass/{fault}"));
        let launched = bench.act(&bench.launch(DATA), 60).await;
        assert_eq!(launched, Ok(()), "{fault}");
        assert_eq!(bench.state().as_deref(), Some("Running"), "{fault}");
    }
}

#[tokio::test]
async fn what_cannot_be_mended_is_told_with_what_to_do() {
    let kind = |failure: &reportctl::provider::Failure| failure.kind.clone();
    for (fault, expected, cause, advice) in [
        ("image-missing", FailureKind::Precondition, "Unable to find an image", "multipass find"),
        ("image-old", FailureKind::Precondition, "no longer supported", "newer image"),
        ("manifest-unreachable", FailureKind::Failed, "unknown or unreachable", "proxy"),
        ("download-failed", FailureKind::Failed, "failed to download", "VPN"),
        ("hash-mismatch=always", FailureKind::Failed, "does not match", "broken"),
        ("disk-full", FailureKind::Precondition, "Available disk", "delete --purge"),
        ("no-kvm", FailureKind::Precondition, "KVM support is not enabled", "virtualisation"),
        ("stops-while-starting=always", FailureKind::Failed, "shutdown called while starting", "/dev/kvm"),
        ("ssh-dead", FailureKind::Timeout, "timed out waiting for response", "VPN"),
        ("socket-denied", FailureKind::Precondition, "access denied", "group"),
        ("unauthenticated", FailureKind::Precondition, "not authenticated", "multipass authenticate"),
    ] {
        let bench = bench("1.16.3");
        bench.faults(&format!("multipass/{fault}"));
        let failure = bench.act(&bench.launch(DATA), 60).await.unwrap_err();
        assert_eq!(kind(&failure), expected, "{fault}: {failure:?}");
        assert!(failure.cause.contains(cause), "{fault}: {failure:?}");
        assert!(failure.advice.as_deref().is_some_and(|text| text.contains(advice)), "{fault}: {failure:?}");
        bench.faults("");
        bench.act(&delete(&bench), 60).await.unwrap();
        assert_eq!(bench.state(), None, "{fault}");
    }
}

#[tokio::test]
async fn a_deleted_instance_keeps_its_name_until_it_is_recovered_or_purged() {
    let bench = bench("1.16.3");
    bench.act(&bench.launch(DATA), 60).await.unwrap();
    assert_eq!(bench.by_hand(&["delete", &bench.name]).0, Some(0));
    let failure = bench.act(&bench.launch(DATA), 60).await.unwrap_err();
    assert!(failure.advice.unwrap().contains("recover"));
    let seen = multipass::observe(&bench.context, &env(), &Facts::default(), &bench.id).await;
    assert_eq!(seen.instance.present().unwrap().status, Status::Deleted);
    bench.act(&named(&bench, |name, id| MultipassAction::Recover { name, id }), 60).await.unwrap();
    bench.act(&start(&bench), 60).await.unwrap();
    assert_eq!(bench.state().as_deref(), Some("Running"));
    assert_eq!(bench.by_hand(&["delete", &bench.name]).0, Some(0));
    bench.act(&delete(&bench), 60).await.unwrap();
    assert_eq!(bench.state(), None);
}

#[tokio::test]
async fn a_launch_that_was_cut_off_is_gone_on_with_or_taken_away() {
    for go_on in [true, false] {
        let bench = bench("1.16.3");
        bench.faults("multipass/slow-download=2");
        let multipass = bench.multipass();
        let action = bench.launch(DATA);
        let cut = async { multipass.perform(&action, Duration::from_secs(60), &Notes::silent()).await };
        let facts = Facts { made_by: Some(MadeBy::Multipass), ..Facts::default() };
        // Cut off as soon as Multipass is making it.
        let begun = async {
            let limit = Instant::now() + Duration::from_secs(30);
            while Instant::now() < limit {
                let seen = multipass::observe(&bench.context, &env(), &facts, &bench.id).await;
                if seen.is_being_made {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            ended = cut => panic!("it ended before it was cut off: {ended:?}"),
            seen = begun => assert!(seen, "it was never seen to be made"),
        }
        assert_eq!(bench.state(), None);
        if go_on {
            bench.act(&action, 60).await.unwrap();
            assert_eq!(bench.state().as_deref(), Some("Running"));
        } else {
            bench.act(&delete(&bench), 60).await.unwrap();
            let seen = multipass::observe(&bench.context, &env(), &facts, &bench.id).await;
            assert!(seen.instance.is_absent() && !seen.is_being_made, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn who_cannot_reach_the_daemon_is_told_why() {
    for (fault, refusal) in [("socket-denied", Refusal::Denied), ("unauthenticated", Refusal::Unauthenticated)] {
        let bench = bench("1.16.3");
        bench.faults(&format!("multipass/{fault}"));
        let seen = multipass::observe(&bench.context, &env(), &Facts::default(), &bench.id).await;
        assert_eq!(seen.refusal, Some(refusal), "{seen:?}");
        assert!(matches!(seen.server, Observed::Unknown(_)) && matches!(seen.instance, Observed::Unknown(_)));
        assert!(seen.client.present().is_some());
    }
    let nowhere = reportctl::context::Context::fixed([("PATH".to_owned(), "/nowhere".to_owned())].into(), "/".into());
    let seen = multipass::observe(&nowhere, &env(), &Facts::default(), &bench("1.17").id).await;
    assert!(seen.client.is_absent() && seen.server.is_absent());
}

#[tokio::test]
async fn machines_of_others_that_do_not_answer_break_nothing_and_one_of_ours_is_seen() {
    let bench = bench("1.16.3");
    bench.act(&bench.launch(DATA), 60).await.unwrap();
    assert_eq!(bench.by_hand(&["launch", "--name", "theirs"]).0, Some(0));
    bench.faults("multipass/unreachable=theirs");
    assert_eq!(bench.by_hand(&["list"]).0, Some(2));
    let (env, facts) = (env(), Facts::default());
    let see = || multipass::observe(&bench.context, &env, &facts, &bench.id);
    let is_addressed = |state: &reportctl::model::multipass::MultipassState| {
        state.instance.present().map(|instance| (instance.is_running, instance.address.is_some()))
    };
    assert_eq!(is_addressed(&see().await), Some((true, true)));
    bench.faults(&format!("multipass/unreachable={}", bench.name));
    assert_eq!(is_addressed(&see().await), Some((true, false)));
    bench.faults("");
    bench.act(&delete(&bench), 60).await.unwrap();
    assert_eq!(bench.by_hand(&["info", "theirs"]).0, Some(0));
}

#[tokio::test]
async fn what_carries_another_identity_is_not_touched() {
    let bench = bench("1.16.3");
    let theirs = "report-mp-00000000";
    assert_eq!(bench.by_hand(&["launch", "--name", theirs]).0, Some(0));
    let action = MultipassAction::Delete { name: theirs.to_owned(), id: bench.id.clone() };
    let failure = bench.act(&action, 60).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Precondition);
    assert_eq!(bench.by_hand(&["info", theirs]).0, Some(0));
}

#[tokio::test]
async fn a_mount_that_failed_with_the_launch_is_made_afterwards() {
    let bench = bench("1.16.3");
    let source = bench.at("user/data");
    std::fs::create_dir(&source).unwrap();
    let mut action = bench.launch(DATA);
    if let MultipassAction::Launch { shape, .. } = &mut action {
        shape.mounts.insert("/data".into(), source);
    }
    bench.faults("multipass/mount-fails");
    bench.act(&action, 60).await.unwrap();
    let (_, info) = bench.by_hand(&["info", &bench.name, "--format", "json"]);
    assert!(info.contains("\"/data\""), "{info}");
}

/// A scalar as PyYAML, which cloud-init reads with, understands it: what is plain may be something else than a text.
fn meaning(text: &str, plain: bool) -> String {
    let lower = text.to_ascii_lowercase();
    let number = |text: &str| {
        let digits = text.trim_start_matches(['-', '+']).replace('_', "");
        !digits.is_empty()
            && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && digits.chars().all(|c| c.is_ascii_digit() || ".:eE+-xXabcdefABCDEF".contains(c))
            && digits.chars().any(|c| c.is_ascii_digit())
    };
    let word = ["yes", "no", "on", "off", "true", "false", "null", "~", ""].contains(&lower.as_str());
    if plain && (word || number(text)) { format!("other {lower}") } else { format!("text {text}") }
}

/// What a document means, event by event.
fn meanings(text: &str) -> Vec<String> {
    use saphyr_parser::{Event, Parser, ScalarStyle};
    let mut all = Vec::new();
    for event in Parser::new_from_str(text) {
        match event.unwrap().0 {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| !tag.suffix.ends_with("str"));
                all.push(meaning(&text, plain));
            }
            Event::SequenceStart(..) => all.push("[".to_owned()),
            Event::SequenceEnd => all.push("]".to_owned()),
            Event::MappingStart(..) => all.push("{".to_owned()),
            Event::MappingEnd => all.push("}".to_owned()),
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    all
}

#[tokio::test]
async fn the_stacks_user_data_means_the_same_after_multipass_has_rewritten_it() {
    let bench = bench("1.16.3");
    let data = user_data(&env(), &stack_blueprint(), &[], Substrate::Multipass, Base::Plain).unwrap();
    bench.act(&bench.launch(&data.text), 60).await.unwrap();
    let kept = std::fs::read_to_string(bench.at("home/seeds").join(&bench.name).join("user-data")).unwrap();
    let (written, arrived) = (meanings(&data.text), meanings(&kept));
    // Multipass adds its own user to a list of users.
    let added = arrived.len() - written.len();
    assert!(added <= 2, "{added}");
    let differ = written.iter().zip(&arrived).position(|(one, other)| one != other);
    if let Some(at) = differ {
        assert!(
            added > 0 && arrived[at] == "text default" && written[at..] == arrived[at + 1..],
            "{:?} became {:?}",
            &written[at.saturating_sub(3)..=at],
            &arrived[at.saturating_sub(3)..=at]
        );
    }
    // The comparison itself sees a loss.
    assert_ne!(meanings("a: \"0755\""), meanings("a: 0755"));
    assert_eq!(meanings("a: !!str 0755"), meanings("a: \"0755\""));
}
