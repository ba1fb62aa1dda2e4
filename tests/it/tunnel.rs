//! Tunnels into a real container with a real ssh server.

use crate::guest::{NOTHING, launch};
use crate::lxd_support::{Lxd, query};
use reportctl::context::Context;
use reportctl::model::guest::Guest;
use reportctl::reach::guest::{Inside, Put, Run};
use reportctl::reach::tunnel::{Door, HOST, Tunnel, TunnelError, USER};
use reportctl::reach::{Direct, Query, ReachError};
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(30);

/// Tells the holder of a tunnel in a process of its own where it leads: folder and address.
const HOLDER: &str = "REPORT_TEST_TUNNEL";

/// Answers every request with the host that was asked for.
const SERVER: &str = "import http.server\n\
class H(http.server.BaseHTTPRequestHandler):\n\
\x20def do_GET(self):\n\
\x20 b=self.headers['host'].encode(); self.send_response(200); self.send_header('content-length',str(len(b))); self.end_headers(); self.wfile.write(b)\n\
http.server.ThreadingHTTPServer(('127.0.0.1',8123),H).serve_forever()\n";

const SSHD: &str = "PasswordAuthentication no\nMatch User report-tunnel\n  AllowTcpForwarding yes\n  PermitOpen 127.0.0.1:*\n  \
                    PermitListen 127.0.0.1:*\n  PermitTTY no\n  ForceCommand /bin/false\n";

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn address_of(guest: &Guest) -> Option<IpAddr> {
    let state = query(&format!("/1.0/instances/{}/state", guest.name()))?;
    let addresses = state["network"]["eth0"]["addresses"].as_array()?;
    let address = addresses.iter().find(|address| address["family"] == "inet" && address["scope"] == "global")?;
    address["address"].as_str()?.parse().ok()
}

fn door(folder: &Path, address: IpAddr) -> Door {
    Door { address, key: folder.join("key"), known_hosts: folder.join("known hosts") }
}

fn make_key(path: &Path) -> String {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap()
}

/// Lets a key into the machine, and writes down the machine's own.
async fn open_door(inside: &Inside, folder: &Path) {
    let public = make_key(&folder.join("key"));
    inside.check(Run::new(["useradd", "--system", "--user-group", "--create-home", USER])).await.unwrap();
    let put = |path: &str, text: &str, owner: &str| Put {
        path: path.into(),
        bytes: text.as_bytes().to_vec(),
        mode: 0o644,
        owner: owner.to_owned(),
    };
    inside
        .put(vec![
            put("/etc/ssh/sshd_config.d/10-report.conf", SSHD, "root"),
            put(&format!("/home/{USER}/.ssh/authorized_keys"), &public, USER),
            put("/root/server.py", SERVER, "root"),
        ])
        .await
        .unwrap();
    let keys = inside.check(Run::new(["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"])).await.unwrap();
    let known: String = keys.lines().map(|key| format!("{HOST} {key}\n")).collect();
    std::fs::write(folder.join("known hosts"), known).unwrap();
    inside.check(Run::new(["systemctl", "restart", "ssh"])).await.unwrap();
    inside.check(Run::new(["systemd-run", "--unit=server", "python3", "/root/server.py"])).await.unwrap();
    inside.check(Run::new(["sh", "-c", "until ss -ltn | grep -q :8123; do sleep 0.1; done"])).await.unwrap();
}

/// The processes whose arguments hold this text.
fn processes(text: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let line = |folder: std::fs::DirEntry| {
        let bytes = std::fs::read(folder.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        (line.starts_with("ssh ") || line.contains("/ssh ")).then_some(line).filter(|line| line.contains(text))
    };
    folders.filter_map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_a_tunnel_leads_there_and_back_and_ends_with_whoever_holds_it() {
    let Some(mut lxd) = Lxd::take() else { return };
    let guest = launch(&mut lxd, NOTHING);
    let context = Context::real().unwrap();
    let inside = Inside::new(&context, &guest);
    inside.run(Run::new(["cloud-init", "status", "--wait"])).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    open_door(&inside, folder.path()).await;
    let mut address = None;
    eventually("it has an address", || {
        address = address_of(&guest);
        address.is_some()
    });
    let door = door(folder.path(), address.unwrap());
    leads_there(&context, &door, &inside).await;
    leads_back(&context, &door, &inside).await;
    what_is_wrong_is_told(&context, &door, folder.path()).await;
    what_breaks_is_told(&context, &door, &inside).await;
    killed_holder_leaves_nothing(folder.path(), &door, &inside).await;
}

async fn leads_there(context: &Context, door: &Door, inside: &Inside) {
    let tunnel = Arc::new(Tunnel::open(context, door, &[8123, 8124], &[]).await.unwrap());
    let known_hosts = door.known_hosts.display().to_string();
    assert_eq!(processes(&known_hosts).len(), 1);
    let direct = Direct::new().unwrap().through(Arc::clone(&tunnel), inside);
    let reply = direct.ask(&Query::get(8123, "/")).await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "127.0.0.1:8123"), "asked for by its own name");
    let many = (0..20).map(|_| async { direct.ask(&Query::get(8123, "/")).await.unwrap().status });
    assert!(futures_util::future::join_all(many).await.iter().all(|status| *status == 200));
    let nobody = direct.ask(&Query::get(8124, "/")).await.unwrap_err();
    assert!(matches!(nobody, ReachError::Closed { port: 8124 }), "{nobody}");
    let not_asked_for = direct.ask(&Query::get(8125, "/")).await.unwrap_err();
    assert!(matches!(not_asked_for, ReachError::NoWay { port: 8125, .. }), "{not_asked_for}");
    let (local, trouble) = (tunnel.local(8123).unwrap(), tunnel.trouble());
    assert_eq!(trouble, None);
    drop((direct, tunnel));
    eventually("it is closed", || TcpStream::connect(("127.0.0.1", local)).is_err());
    eventually("ssh has ended", || processes(&known_hosts).is_empty());
}

async fn leads_back(context: &Context, door: &Door, inside: &Inside) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tunnel = Tunnel::open(context, door, &[], &[]).await.unwrap();
    let back = tunnel.back(port).await.unwrap();
    let says = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3");
    let answer = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"from here").unwrap());
    let heard = inside.check(Run::new(["bash", "-c", &says])).await.unwrap();
    assert_eq!(heard, "from here");
    answer.join().unwrap();
    // Somebody has the port there.
    let taken = tunnel.back(port).await.unwrap_err().to_string();
    assert!(taken.contains("remote port forwarding failed"), "{taken}");
    assert!(taken.ends_with("somebody else listens on that port in the machine"), "{taken}");
    drop(back);
    // Given back with the tunnel.
    let begun = Instant::now();
    while let Err(error) = tunnel.back(port).await {
        assert!(begun.elapsed() < BOUND, "{error}");
    }
}

async fn what_is_wrong_is_told(context: &Context, door: &Door, folder: &Path) {
    make_key(&folder.join("other"));
    let stranger = Door { key: folder.join("other"), ..door.clone() };
    let denied = Tunnel::open(context, &stranger, &[8123], &[]).await.unwrap_err().to_string();
    assert!(
        denied.contains("Permission denied") && denied.ends_with("lets this environment's key in again"),
        "{denied}"
    );
    let other = std::fs::read_to_string(folder.join("other.pub")).unwrap();
    std::fs::write(folder.join("wrong"), format!("{HOST} {other}")).unwrap();
    let wrong = Door { known_hosts: folder.join("wrong"), ..door.clone() };
    let changed = Tunnel::open(context, &wrong, &[8123], &[]).await.unwrap_err().to_string();
    assert!(changed.contains("Host key verification failed"), "{changed}");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let taken = Tunnel::open_at(context, door, &[(8123, Some(port))], &[]).await.unwrap_err();
    assert!(matches!(taken, TunnelError::Taken { .. }), "{taken}");
    let nobody = Door { address: IpAddr::from([127, 0, 0, 99]), ..door.clone() };
    let refused = Tunnel::open(context, &nobody, &[8123], &[]).await.unwrap_err().to_string();
    assert!(refused.contains("refused") && refused.contains("its ssh server does not run"), "{refused}");
}

async fn what_breaks_is_told(context: &Context, door: &Door, inside: &Inside) {
    let tunnel = Arc::new(Tunnel::open(context, door, &[8123], &[]).await.unwrap());
    let direct = Direct::new().unwrap().through(Arc::clone(&tunnel), inside);
    inside.check(Run::new(["pkill", "-u", USER, "sshd"])).await.unwrap();
    eventually("it is noticed", || tunnel.trouble().is_some());
    let error = direct.ask(&Query::get(8123, "/")).await.unwrap_err();
    assert!(matches!(&error, ReachError::NoWay { cause, .. } if cause.starts_with("the tunnel broke")), "{error}");
}

/// Whoever holds a tunnel may be killed so that it cannot tidy up.
async fn killed_holder_leaves_nothing(folder: &Path, door: &Door, inside: &Inside) {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tunnel::holds_a_tunnel_for_another_test", "--ignored", "--nocapture"])
        .env(HOLDER, format!("{}\n{}", folder.display(), door.address))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(holder.stdout.take().unwrap()).lines();
    let port: u16 = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("local ")?.parse().ok()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with('x'), "{answer}");
    let known_hosts = door.known_hosts.display().to_string();
    assert_eq!(processes(&known_hosts).len(), 1);
    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("ssh ended with its holder", || processes(&known_hosts).is_empty());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let begun = Instant::now();
    while inside.run(Run::new(["pgrep", "-u", USER, "sshd"])).await.unwrap().code == 0 {
        assert!(begun.elapsed() < BOUND, "the machine still serves it");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test: another one runs it as a process of its own, and kills it"]
async fn holds_a_tunnel_for_another_test() {
    let Ok(told) = std::env::var(HOLDER) else { return };
    let (folder, address) = told.split_once('\n').unwrap();
    let door = door(Path::new(folder), address.parse().unwrap());
    let tunnel = Tunnel::open(&Context::real().unwrap(), &door, &[8123], &[]).await.unwrap();
    println!("\nlocal {}", tunnel.local(8123).unwrap());
    tokio::time::sleep(BOUND * 4).await;
}
