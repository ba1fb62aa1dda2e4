//! What cloud-init really does with bad user-data, and what is told of it.

use crate::guest::launch;
use crate::lxd_support::{Lxd, lxc};
use reportctl::context::Context;
use reportctl::model::guest::Marker;
use reportctl::provider::{Failure, FailureKind, Notes, cloud_init};
use reportctl::reach::guest::{Inside, Run};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The last command of user-data that is good.
const MARK: &str = "- [sh, -c, 'mkdir -p /var/lib/reportctl && echo the-digest > /var/lib/reportctl/initialised']\n";

fn marker() -> Marker {
    Marker { path: "/var/lib/reportctl/initialised".into(), text: "the-digest".to_owned() }
}

/// What a wait came to, what it said meanwhile, and the way in, for as long as the container is there.
struct Waited {
    result: Result<(), Failure>,
    notes: Vec<String>,
    inside: Inside,
    _lxd: Lxd,
}

/// Launches with that user-data and waits. None where there is no LXD.
async fn waited(user_data: &str, limit: Duration) -> Option<Waited> {
    let mut lxd = Lxd::take()?;
    let guest = launch(&mut lxd, user_data);
    let inside = Inside::new(&Context::real().unwrap(), &guest);
    let said = Arc::new(Mutex::new(Vec::new()));
    let notes = Notes::new({
        let said = Arc::clone(&said);
        move |note| said.lock().unwrap().push(note)
    });
    let result = cloud_init::wait(&inside, &marker(), limit, &notes).await;
    let notes = said.lock().unwrap().clone();
    Some(Waited { result, notes, inside, _lxd: lxd })
}

const LONG: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_good_user_data_is_waited_for_also_over_a_restart_and_is_told_meanwhile() {
    let slow = format!(
        "#cloud-config\nlocale: false\nruncmd:\n- [sh, -c, 'for n in 1 2 3 4 5 6; do echo step $n; sleep 1; done']\n{MARK}"
    );
    let Some(waited) = waited(&slow, LONG).await else { return };
    assert_eq!(waited.result, Ok(()));
    assert!(waited.notes.iter().any(|note| note.starts_with("step ")), "{:?}", waited.notes);
    // A second wait finds all done. One that begins while the machine is away waits for it.
    let name = waited.inside.guest().name().to_owned();
    lxc(&["stop", "--force", &name]).ok();
    let again = tokio::spawn({
        let inside = waited.inside.clone();
        async move { cloud_init::wait(&inside, &marker(), LONG, &Notes::silent()).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    lxc(&["start", &name]).ok();
    assert_eq!(again.await.unwrap(), Ok(()));
    let other = Marker { text: "another-digest".to_owned(), ..marker() };
    let failure = cloud_init::wait(&waited.inside, &other, LONG, &Notes::silent()).await.unwrap_err();
    assert!(failure.cause.contains("other user-data"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_an_unknown_package_is_named_with_its_stage_and_evidence_is_gathered() {
    let user_data = format!("#cloud-config\nlocale: false\npackages: [no-such-package-xyz]\nruncmd:\n{MARK}");
    let Some(waited) = waited(&user_data, LONG).await else { return };
    let failure = waited.result.unwrap_err();
    assert!(failure.cause.starts_with("cloud-init failed in its stage modules-final"), "{failure:?}");
    assert!(failure.cause.contains("no-such-package-xyz"), "{failure:?}");
    let observed = failure.observed.unwrap();
    assert!(observed.contains("E: Unable to locate package no-such-package-xyz"), "{observed}");
    assert!(failure.advice.unwrap().starts_with("correct the package's name"));
    let gathered = cloud_init::gather(&waited.inside).await;
    let text = |name: &str| gathered.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str()).unwrap();
    assert!(text("cloud-init-output.log").contains("E: Unable to locate package"));
    assert!(text("cloud-init-status.json").contains("\"error\""));
    assert!(text("cloud-init-user-data.txt").starts_with("#cloud-config\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_a_command_that_fails_is_told_with_its_words() {
    let user_data = "#cloud-config\nlocale: false\nruncmd:\n- [sh, -c, 'echo it went wrong here; exit 3']\n";
    let Some(waited) = waited(user_data, LONG).await else { return };
    let failure = waited.result.unwrap_err();
    assert!(failure.cause.contains("stage modules-final") && failure.cause.contains("(runcmd)"), "{failure:?}");
    assert!(failure.observed.unwrap().contains("it went wrong here"));
}

/// cloud-init 22.4 says *done* and exits with 0 in each of these cases.
#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_what_was_ignored_is_a_failure_though_cloud_init_says_done() {
    let broken = format!("#cloud-config\nlocale: false\n  runcmd:\n - x: [\n{MARK}");
    let header = format!("locale: false\nruncmd:\n{MARK}");
    // 22.4 knows the types of its keys. A key that it does not know, it takes for valid: that is found before, by `validate`.
    let kind = format!("#cloud-config\nlocale: false\nssh_deletekeys: sometimes\nruncmd:\n{MARK}");
    for (user_data, words) in [
        (broken.as_str(), "Failed loading yaml blob"),
        (&header, "Unhandled non-multipart"),
        (&kind, "'sometimes' is not of type 'boolean'"),
    ] {
        // Without `locale: false` the image's own locale module fails, which would hide what is looked for.
        let Some(waited) = waited_without_locale(user_data).await else { return };
        let failure = waited.result.unwrap_err();
        assert!(failure.cause.contains(words), "{words}: {failure:?}");
    }
}

/// As [`waited`], with a file of the image's own that leaves the locale alone.
async fn waited_without_locale(user_data: &str) -> Option<Waited> {
    let mut lxd = Lxd::take()?;
    let guest = launch(&mut lxd, crate::guest::NOTHING);
    let inside = Inside::new(&Context::real().unwrap(), &guest);
    let name = guest.name();
    let settle = Run::new(["cloud-init", "status", "--wait"]).deadline(LONG);
    inside.run(settle).await.unwrap();
    let quiet = "echo 'locale: false' > /etc/cloud/cloud.cfg.d/99_test.cfg; cloud-init clean --logs --seed";
    inside.check(Run::new(["sh", "-c", quiet])).await.unwrap();
    lxc(&["stop", "--force", name]).ok();
    // LXD itself refuses broken YAML. In the image's own place for it, which LXD writes only when an instance is made or copied,
    // anything can stand, as it can in other clouds.
    let push = ["file", "push", "--create-dirs", "-", &format!("{name}/var/lib/cloud/seed/nocloud-net/user-data")];
    crate::guest::lxc_fed(&push, user_data);
    let meta = format!("instance-id: {name}-again\nlocal-hostname: {name}\n");
    crate::guest::lxc_fed(
        &["file", "push", "--create-dirs", "-", &format!("{name}/var/lib/cloud/seed/nocloud-net/meta-data")],
        &meta,
    );
    lxc(&["start", name]).ok();
    let result = cloud_init::wait(&inside, &marker(), LONG, &Notes::silent()).await;
    Some(Waited { result, notes: Vec::new(), inside, _lxd: lxd })
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_what_takes_too_long_is_told_with_what_it_says() {
    let slow = "#cloud-config\nlocale: false\nruncmd:\n- [sh, -c, 'echo this takes long; sleep 300']\n";
    let Some(waited) = waited(slow, Duration::from_secs(25)).await else { return };
    let failure = waited.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure:?}");
    assert!(failure.cause.contains("has not finished within 15s"), "{failure:?}");
    assert!(failure.observed.unwrap().contains("this takes long"));
}
