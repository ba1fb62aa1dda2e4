//! The stand-in for Multipass with this host's LXD behind it: real machines with a real cloud-init.

use crate::lxd_support::{Lxd, image};
use crate::multipass_support::{Behind, Bench};
use reportctl::model::guest::{Guest, Marker};
use reportctl::plan::multipass::MultipassAction;
use reportctl::provider::{Notes, cloud_init};
use reportctl::reach::guest::{Inside, Put, Run};
use std::time::Duration;

const DATA: &str = "#cloud-config\nlocale: false\nwrite_files:\n  - path: /etc/probe\n    permissions: !!str \"0640\"\n    \
                    content: !!str \"0755\"\nruncmd:\n  - [sh, -c, mkdir -p /var/lib/reportctl; echo abc > \
                    /var/lib/reportctl/provisioned]\n";

#[tokio::test]
async fn lxd_real_multipass_from_launch_to_delete() {
    let Some(_lxd) = Lxd::take() else { return };
    let bench = Bench::new("1.16.3", Behind::Lxd(image()));
    bench.act(&bench.launch(DATA), 300).await.unwrap();
    let guest = Guest::Multipass(bench.name.clone());
    let inside = Inside::new(&bench.context, &guest);
    let marker = Marker { path: "/var/lib/reportctl/provisioned".into(), text: "abc".to_owned() };
    cloud_init::wait(&inside, &marker, Duration::from_secs(120), &Notes::silent()).await.unwrap();
    let said = inside.run(Run::new(["stat", "-c", "%a %U", "/etc/probe"])).await.unwrap();
    assert_eq!((said.code, said.stdout.as_str()), (0, "640 root\n"));
    let put = Put { path: "/etc/x/y".into(), bytes: b"\x00\xff".to_vec(), mode: 0o600, owner: "root".to_owned() };
    inside.put(vec![put]).await.unwrap();
    let got = inside.get(&["/etc/x".into()]).await.unwrap();
    assert_eq!((got[0].bytes.as_slice(), got[0].mode), (&b"\x00\xff"[..], 0o600));
    let host = inside.run(Run::new(["hostname"])).await.unwrap();
    assert_eq!(host.stdout.trim(), bench.name);
    let (name, id) = (bench.name.clone(), bench.id.clone());
    bench.act(&MultipassAction::Delete { name, id }, 120).await.unwrap();
    assert_eq!(bench.state(), None);
}

#[tokio::test]
async fn lxd_real_multipass_launches_what_fails_inside_and_says_so_afterwards() {
    let Some(_lxd) = Lxd::take() else { return };
    let bench = Bench::new("1.17", Behind::Lxd(image()));
    // Quotes are lost on the way, and cloud-init cannot write a number into a file.
    let data = "#cloud-config\nlocale: false\nwrite_files:\n  - path: /etc/probe\n    content: \"0755\"\n";
    bench.act(&bench.launch(data), 300).await.unwrap();
    let inside = Inside::new(&bench.context, &Guest::Multipass(bench.name.clone()));
    let marker = Marker { path: "/var/lib/reportctl/provisioned".into(), text: "abc".to_owned() };
    let failure = cloud_init::wait(&inside, &marker, Duration::from_secs(120), &Notes::silent()).await.unwrap_err();
    let said = format!("{failure:?}");
    assert!(said.contains("write-files") || said.contains("write_files"), "{said}");
}
