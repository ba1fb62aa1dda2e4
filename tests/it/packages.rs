//! Installing packages, against strict stand-ins for apt, dpkg, systemd and sudo on a system of their own.

use reportctl::context::Context;
use reportctl::exec::ExecError;
use reportctl::model::inventory::{Observed, Policy, RootAccess};
use reportctl::model::quantity::Version;
use reportctl::plan::commands::{POLICY_PATH, POLICY_TEXT};
use reportctl::provider::host::apt::{self, AptError, Install, Settle, System};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// What the stand-ins share: they log each call, and refuse what the real ones would not be asked by us.
const COMMON: &str = r#"#!/bin/sh
set -eu
log() { printf '%s\n' "$*" >>"$FAKE/calls"; }
refuse() { log "REFUSED: $0 $*"; echo "fake: unknown arguments: $*" >&2; exit 99; }
"#;

/// `apt-get update`, and `apt-get install` with exactly our options: it asks the policy before it starts a service, as
/// invoke-rc.d does, brings a unit for each package and enables it, as deb-systemd-helper does.
const APT_GET: &str = r#"
case "$1" in
update) [ $# = 1 ] || refuse "$@"; log "apt-get update"; exit 0 ;;
install) shift ;;
*) refuse "$@" ;;
esac
options="--yes --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0"
for option in $options; do [ "$1" = "$option" ] || refuse "$@"; shift; done
[ "${DEBIAN_FRONTEND-}" = noninteractive ] && [ "${NEEDRESTART_SUSPEND-}" = 1 ] || refuse environment
log "apt-get install $*"
for package; do
  touch "$ROOT/lib/systemd/system/$package.service"
  ln -sf "/lib/systemd/system/$package.service" "$ROOT/etc/systemd/system/multi-user.target.wants/$package.service"
  touch "$ROOT/lib/systemd/system/extra.timer"
  ln -sf /lib/systemd/system/extra.timer "$ROOT/etc/systemd/system/timers.target.wants/extra.timer"
  code=0
  if [ -x "$ROOT/usr/sbin/policy-rc.d" ]; then "$ROOT/usr/sbin/policy-rc.d" "$package" start || code=$?; fi
  [ "$code" = 101 ] && log "start of $package denied" || log "STARTED $package"
done
if [ -e "$FAKE/apt-fails" ]; then cat "$FAKE/apt-fails" >&2; exit 100; fi
if [ ! -e "$FAKE/apt-lies" ]; then for package; do echo "$package" >>"$FAKE/installed"; done; fi
"#;

const DPKG_QUERY: &str = r#"
[ "$1" = --show ] || refuse "$@"; shift
case "$1" in
'--showformat=${Package}\t${db:Status-Status}\n') full= ;;
'--showformat=${Package}\t${db:Status-Status}\t${Version}\n') full='\t5:7.0.15-1~deb12u1' ;;
*) refuse "$@" ;;
esac
shift; code=0
for package; do
  if grep -qsx "$package" "$FAKE/installed"; then printf "$package\tinstalled$full\n"; else code=1; fi
done
exit $code
"#;

const APT_CACHE: &str = r#"
[ "$1" = policy ] || refuse "$@"; shift
log "apt-cache policy $*"
for package; do
  [ "$package" = unheard-of ] || printf '%s:\n  Installed: (none)\n  Candidate: 2.42.0+ds-5\n  Version table:\n' "$package"
done
"#;

const SYSTEMCTL: &str = r#"
[ "$1" = disable ] || refuse "$@"; shift
now=; [ "$1" != --now ] || { now=' --now'; shift; }
for unit; do
  case "$unit" in -*) refuse "$unit" ;; esac
  [ -e "$ROOT/lib/systemd/system/$unit" ] || { echo "Failed to disable unit: Unit file $unit does not exist." >&2; exit 1; }
  rm -f "$ROOT"/etc/systemd/system/*.wants/"$unit"
done
log "systemctl disable$now $*"
"#;

const DEB_SYSTEMD_HELPER: &str = r#"
[ "$1" = disable ] && [ $# = 2 ] || refuse "$@"
rm -f "$ROOT"/etc/systemd/system/*.wants/"$2"
log "deb-systemd-helper $*"
"#;

const UPDATE_RC_D: &str = r#"
[ $# = 2 ] && [ "$2" = disable ] || refuse "$@"
[ -e "$ROOT/etc/init.d/$1" ] || { echo "update-rc.d: error: unable to read /etc/init.d/$1" >&2; exit 1; }
log "update-rc.d $*"
"#;

const SUDO: &str = r#"
[ "$1" = -n ] || refuse "$@"; shift
if [ -e "$FAKE/sudo-wants-a-password" ]; then echo "sudo: a password is required" >&2; exit 1; fi
log "sudo $1"
exec "$@"
"#;

struct Fake {
    folder: tempfile::TempDir,
    context: Context,
    system: System,
}

impl Fake {
    /// A Debian with these tools beside apt and dpkg.
    fn with(tools: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in
            ["bin", "fake", "root/usr/sbin", "root/lib/systemd/system", "root/etc/init.d", "root/var/lib/apt/lists"]
        {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["multi-user.target.wants", "timers.target.wants"] {
            std::fs::create_dir_all(path("root/etc/systemd/system").join(name)).unwrap();
        }
        let always = [("apt-get", APT_GET), ("dpkg-query", DPKG_QUERY), ("apt-cache", APT_CACHE)];
        for (name, script) in always.iter().chain(tools) {
            let file = path("bin").join(name);
            std::fs::write(&file, format!("{COMMON}{script}")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Of the real tools only those that the stand-ins and we use: no real apt can be reached.
        for name in ["sh", "env", "install", "ln", "rm", "cat", "touch", "grep", "printf", "true"] {
            let real = which(name);
            std::os::unix::fs::symlink(real, path("bin").join(name)).unwrap();
        }
        let vars = [("PATH", path("bin")), ("FAKE", path("fake")), ("ROOT", path("root"))];
        let vars = vars.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string()));
        let context = Context::fixed(vars.collect(), folder.path().to_owned());
        let system = System { root: path("root") };
        Self { folder, context, system }
    }

    fn new() -> Self {
        Self::with(&[("systemctl", SYSTEMCTL), ("sudo", SUDO)])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, name: &str, text: &str) {
        std::fs::write(self.path("fake").join(name), text).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("fake/calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn policy(&self) -> Option<String> {
        std::fs::read_to_string(self.system.path(POLICY_PATH)).ok()
    }

    fn write_policy(&self, text: &str) {
        let path = self.system.path(POLICY_PATH);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The units that a boot would start.
    fn enabled(&self) -> BTreeSet<String> {
        let units = apt::observe_units(&self.system, ["redis-server.service", "old.service", "extra.timer"]);
        units.into_iter().filter(|(_, enabled)| *enabled).map(|(name, _)| name).collect()
    }

    fn add_unit(&self, name: &str) {
        std::fs::write(self.system.path(&format!("/lib/systemd/system/{name}")), "").unwrap();
        let link = self.system.path(&format!("/etc/systemd/system/multi-user.target.wants/{name}"));
        std::os::unix::fs::symlink(format!("/lib/systemd/system/{name}"), link).unwrap();
    }
}

/// Where a real tool is, for the stand-ins' own use.
fn which(name: &str) -> PathBuf {
    ["/usr/bin", "/bin"].iter().map(|folder| PathBuf::from(folder).join(name)).find(|path| path.exists()).unwrap()
}

fn redis(root: RootAccess) -> Install {
    let settle = Settle {
        root,
        systemd: false,
        remove_policy: true,
        disable: BTreeSet::from(["redis-server.service".to_owned()]),
    };
    Install {
        packages: BTreeSet::from(["redis-server".to_owned()]),
        refresh: false,
        place_policy: true,
        deadline: Duration::from_secs(30),
        settle,
    }
}

#[test]
fn nothing_is_started_what_came_is_disabled_and_no_policy_stays() {
    let fake = Fake::new();
    fake.add_unit("old.service");
    apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap();
    assert_eq!(
        fake.calls(),
        [
            "apt-get install redis-server",
            "start of redis-server denied",
            "systemctl disable extra.timer redis-server.service"
        ]
    );
    assert_eq!(fake.enabled(), BTreeSet::from(["old.service".to_owned()]), "what was there before is as it was");
    assert_eq!(fake.policy(), None);
    // A second time is as good.
    apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap();
    assert_eq!(fake.policy(), None);
}

#[test]
fn the_list_of_packages_is_fetched_first_where_that_was_planned() {
    let fake = Fake::new();
    let wanted = Install { refresh: true, ..redis(RootAccess::Root) };
    apt::install(&fake.context, &fake.system, &wanted).unwrap();
    assert_eq!(fake.calls()[..2], ["apt-get update", "apt-get install redis-server"]);
}

#[test]
fn where_systemd_runs_units_are_stopped_too() {
    let fake = Fake::new();
    let mut wanted = redis(RootAccess::Root);
    wanted.settle.systemd = true;
    apt::install(&fake.context, &fake.system, &wanted).unwrap();
    assert!(fake.calls().contains(&"systemctl disable --now extra.timer redis-server.service".to_owned()));
}

#[test]
fn somebody_elses_policy_is_left_alone() {
    let fake = Fake::new();
    let theirs = "#!/bin/sh\nexit 101\n";
    fake.write_policy(theirs);
    let mut wanted = redis(RootAccess::Root);
    wanted.place_policy = false;
    wanted.settle.remove_policy = false;
    apt::install(&fake.context, &fake.system, &wanted).unwrap();
    assert_eq!(fake.policy().as_deref(), Some(theirs));
    // Where it appears after the plan was made, nothing is installed, and it stays too.
    let error = apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap_err();
    assert!(matches!(error, AptError::Policy(_)), "{error}");
    assert_eq!(fake.policy().as_deref(), Some(theirs));
    assert_eq!(fake.calls().iter().filter(|call| call.starts_with("apt-get")).count(), 1);
    assert_eq!(apt::observe_policy(&fake.system), Observed::Present(Policy::Foreign));
}

#[test]
fn after_a_failure_nothing_stays_either_and_the_advice_fits() {
    let packages = BTreeSet::from(["redis-server".to_owned()]);
    let cases = [
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt)",
            "another program is using apt: wait until it has ended, and type the same command again",
        ),
        ("E: Unable to locate package redis-server", "sudo apt-get update"),
        ("E: Failed to fetch http://deb/x.deb  404  Not Found", "sudo apt-get update"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "sudo dpkg --configure -a"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "sudo apt-get clean"),
        ("E: Something else", "sudo apt-get install --no-install-recommends redis-server"),
    ];
    for (said, advice) in cases {
        let fake = Fake::new();
        fake.set("apt-fails", said);
        let error = apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.advice(&packages).as_deref(), Some(advice));
        assert_eq!((fake.policy(), fake.enabled()), (None, BTreeSet::new()));
    }
}

#[test]
fn a_claim_of_success_is_checked() {
    let fake = Fake::new();
    fake.set("apt-lies", "");
    let error = apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap_err();
    assert_eq!(error.to_string(), "apt-get ended well, but redis-server is not installed");
    assert_eq!(fake.policy(), None);
}

#[test]
fn what_a_killed_install_left_is_undone() {
    let fake = Fake::new();
    fake.write_policy(POLICY_TEXT);
    fake.add_unit("redis-server.service");
    fake.add_unit("old.service");
    assert_eq!(apt::observe_policy(&fake.system), Observed::Present(Policy::Ours));
    let mut rest = redis(RootAccess::Root).settle;
    rest.disable.insert("never-came.service".to_owned());
    apt::settle(&fake.context, &fake.system, &rest).unwrap();
    assert_eq!(fake.policy(), None);
    assert_eq!(fake.enabled(), BTreeSet::from(["old.service".to_owned()]));
    apt::settle(&fake.context, &fake.system, &rest).unwrap();
}

#[test]
fn one_command_that_fails_does_not_keep_the_others_from_being_tried() {
    let fake = Fake::with(&[("systemctl", "exit 1")]);
    fake.write_policy(POLICY_TEXT);
    fake.add_unit("redis-server.service");
    let error = apt::settle(&fake.context, &fake.system, &redis(RootAccess::Root).settle).unwrap_err();
    assert!(matches!(error, AptError::Exec(ExecError::Exit { .. })), "{error}");
    assert_eq!(fake.policy(), None);
}

#[test]
fn sudo_is_asked_without_a_prompt() {
    let fake = Fake::new();
    apt::install(&fake.context, &fake.system, &redis(RootAccess::Sudo)).unwrap();
    let sudo: Vec<String> = fake.calls().into_iter().filter(|call| call.starts_with("sudo")).collect();
    assert!(sudo.contains(&"sudo env".to_owned()) && sudo.contains(&"sudo systemctl".to_owned()), "{sudo:?}");
    assert!(!fake.calls().iter().any(|call| call.contains("REFUSED")));
}

#[test]
fn sudo_that_wants_a_password_is_an_error_that_names_the_command() {
    let fake = Fake::new();
    fake.set("sudo-wants-a-password", "");
    let wanted = redis(RootAccess::Sudo);
    let error = apt::install(&fake.context, &fake.system, &wanted).unwrap_err();
    assert!(matches!(error, AptError::Password), "{error}");
    assert_eq!(
        error.advice(&wanted.packages).as_deref(),
        Some("sudo apt-get install --no-install-recommends redis-server")
    );
    assert_eq!((fake.calls(), fake.policy()), (vec![], None));
}

#[test]
fn without_systemd_what_packages_enable_for_it_is_disabled_all_the_same() {
    let fake = Fake::with(&[("deb-systemd-helper", DEB_SYSTEMD_HELPER), ("update-rc.d", UPDATE_RC_D)]);
    std::fs::write(fake.system.path("/etc/init.d/redis-server"), "").unwrap();
    apt::install(&fake.context, &fake.system, &redis(RootAccess::Root)).unwrap();
    assert_eq!(
        fake.calls()[2..],
        [
            "deb-systemd-helper disable extra.timer",
            "deb-systemd-helper disable redis-server.service",
            "update-rc.d redis-server disable"
        ]
    );
    assert!(fake.enabled().is_empty());
}

#[test]
fn scripts_of_system_v_count_where_there_is_no_systemd() {
    let fake = Fake::new();
    fake.add_unit("old.service");
    std::fs::remove_file(fake.system.path("/etc/systemd/system/multi-user.target.wants/old.service")).unwrap();
    assert!(fake.enabled().is_empty());
    std::fs::create_dir(fake.system.path("/etc/rc2.d")).unwrap();
    std::fs::write(fake.system.path("/etc/rc2.d/S01old"), "").unwrap();
    assert!(fake.enabled().contains("old.service"));
    std::fs::write(fake.system.path("/lib/systemd/systemd"), "").unwrap();
    assert!(fake.enabled().is_empty(), "a unit goes before a script of its name");
}

fn observe(fake: &Fake, minimum: &str) -> BTreeMap<String, String> {
    let names = ["redis-server", "prometheus", "unheard-of"];
    let packages = names.map(|name| (name.to_owned(), Version::parse(minimum).unwrap())).into();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cache = fake.path("cache");
    let seen = runtime.block_on(apt::observe(&fake.context, &fake.system, &packages, Some(&cache)));
    let word = |seen: &Observed<Version>| match seen {
        Observed::Present(version) => version.to_string(),
        Observed::Absent => "none".to_owned(),
        Observed::Unknown(reason) => reason.clone(),
    };
    seen.into_iter()
        .map(|(name, package)| (name, format!("{} -> {}", word(&package.installed), word(&package.candidate))))
        .collect()
}

#[test]
fn apt_is_asked_only_for_what_is_missing_or_too_old_and_only_once() {
    let fake = Fake::new();
    fake.set("installed", "redis-server\n");
    // Without lists apt knows of nothing, and is not asked.
    assert_eq!(observe(&fake, "7.0")["prometheus"], "none -> none");
    std::fs::write(fake.system.path("/var/lib/apt/lists/deb_main_binary-amd64_Packages"), "").unwrap();
    let seen = observe(&fake, "7.0");
    assert_eq!(seen["redis-server"], "7.0.15 -> 7.0.15");
    assert_eq!((seen["prometheus"].as_str(), seen["unheard-of"].as_str()), ("none -> 2.42.0", "none -> none"));
    assert_eq!(observe(&fake, "7.0"), seen);
    assert_eq!(fake.calls(), ["apt-cache policy prometheus unheard-of"]);
    // A change of the lists, and a version that is too old, are reasons to ask.
    std::fs::write(fake.system.path("/var/lib/apt/lists/another_Packages"), "").unwrap();
    observe(&fake, "7.0");
    assert_eq!(observe(&fake, "8.0")["redis-server"], "7.0.15 -> 2.42.0");
    assert_eq!(fake.calls().len(), 3);
}

#[test]
fn a_system_without_dpkg_is_unknown_and_not_without_packages() {
    let fake = Fake::new();
    std::fs::remove_file(fake.path("bin/dpkg-query")).unwrap();
    assert!(observe(&fake, "7.0")["redis-server"].starts_with("this is no Debian or Ubuntu"));
}

/// On this very host, as root: `REPORTCTL_TEST_PACKAGE=prometheus-pushgateway`, a small package with a unit of its name
/// that is not installed. It stays installed, and must be removed by hand.
#[test]
#[ignore = "installs a package on this host"]
fn for_real() {
    let package = std::env::var("REPORTCTL_TEST_PACKAGE").expect("name a small package with a unit");
    let unit = format!("{package}.service");
    let context = Context::real().unwrap();
    let system = System::default();
    let before = (apt::observe_policy(&system), std::fs::read(system.path(POLICY_PATH)).ok());
    let place_policy = before.0.is_absent();
    let wanted = Install {
        packages: BTreeSet::from([package]),
        refresh: false,
        place_policy,
        deadline: Duration::from_secs(300),
        settle: Settle {
            root: RootAccess::Root,
            systemd: system.has_systemd(),
            remove_policy: place_policy,
            disable: BTreeSet::from([unit.clone()]),
        },
    };
    apt::install(&context, &system, &wanted).unwrap();
    assert_eq!(apt::observe_units(&system, [unit.as_str()]), BTreeMap::from([(unit, false)]));
    assert_eq!((apt::observe_policy(&system), std::fs::read(system.path(POLICY_PATH)).ok()), before);
}
