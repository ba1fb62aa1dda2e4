//! What the file of a blueprint means, checked.

use super::scalars::Absolute;
use super::written::{BlueprintFile, CloudInitFile, ImageFile, MountFile, TimeoutsFile};
use super::{Blueprint, CloudInit, Image, Mount, Timeouts};
use crate::model::diagnostic::{Diagnostic, Kind};
use crate::model::ids::BlueprintName;
use crate::model::list::List;
use crate::model::reader::At;
use crate::model::shelf::{Shelf, Template};
use crate::model::source::Place;
use crate::model::suggest;
use crate::model::valid::Checker;
use std::path::Path;

/// Folders of a machine that a mount would take away from it, with all that is within.
const WHOLE: [&str; 18] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/snap",
    "/sys",
    "/usr",
    "/var/lib/cloud",
    "/var/lib/dpkg",
    "/var/lib/reportctl",
    "/var/lib/snapd",
];

/// Folders of a machine that may hold a mount and must not become one: what else is in them would be hidden.
const ITSELF: [&str; 12] = [
    "/home",
    "/home/ubuntu",
    "/root",
    "/tmp",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/snap",
    "/var/spool",
    "/var/tmp",
];

/// Where secure shells come in, by which all else is reached.
const SSH: u16 = 22;

/// The blueprint `name` that a file means, and where its memory is written; none when there is any error in it.
pub fn blueprint(
    name: &BlueprintName,
    file: BlueprintFile,
    top: Place,
    shelf: &Shelf,
    out: &mut Vec<Diagnostic>,
) -> Option<(Blueprint, At)> {
    let at = At { key: top, value: top };
    let file = file.filled(at);
    let mut checker = Checker::new(out, &[top]);
    let whose = "this blueprint";
    let description = checker.need(&file.description, whose, at, "description");
    let image = checker.need(&file.image, whose, at, "image");
    let image = image.and_then(|image| checker.image(&image, file.image.at().unwrap_or(at)));
    let cpus = checker.need(&file.cpus, whose, at, "cpus");
    let memory = checker.need(&file.memory, whose, at, "memory");
    let disk = checker.need(&file.disk, whose, at, "disk");
    let network = checker.need(&file.network, whose, at, "network");
    let mounts = checker.need(&file.mounts, whose, at, "mounts").map(|mounts| checker.mounts(&mounts));
    let cloud_init = checker.need(&file.cloud_init, whose, at, "cloud-init");
    let cloud_init =
        cloud_init.and_then(|cloud_init| checker.cloud_init(&cloud_init, file.cloud_init.at().unwrap_or(at), shelf));
    let ports = checker.need(&file.ports, whose, at, "ports");
    let ports = ports.map(|ports| checker.doors(&ports, file.ports.at().unwrap_or(at)));
    let ready = checker.need(&file.ready, whose, at, "ready");
    let timeouts = checker.need(&file.timeouts, whose, at, "timeouts");
    let timeouts = timeouts.and_then(|timeouts| checker.timeouts(&timeouts, file.timeouts.at().unwrap_or(at)));
    if checker.has_errors() {
        return None;
    }
    let blueprint = Blueprint {
        name: name.to_string(),
        description: description?.0,
        image: image?,
        cpus: cpus?,
        memory: memory?,
        disk: disk?,
        network: network?,
        mounts: mounts?,
        cloud_init: cloud_init?,
        ports: ports?,
        ready: ready?.0.into_iter().map(|(command, _)| command.0).collect(),
        timeouts: timeouts?,
    };
    Some((blueprint, file.memory.at()?))
}

impl Checker<'_> {
    fn image(&mut self, image: &ImageFile, at: At) -> Option<Image> {
        let lxd = self.need(&image.lxd, "`image`", at, "lxd");
        let multipass = self.need(&image.multipass, "`image`", at, "multipass");
        self.unless_bad(&image.debian);
        Some(Image {
            lxd: lxd?.0,
            multipass: multipass?.0,
            debian: image.debian.value().map(|release| release.0.clone()),
        })
    }

    fn mounts(&mut self, mounts: &List<MountFile>) -> Vec<Mount> {
        let mut good: Vec<(Mount, Place)> = Vec::new();
        for (mount, place) in &mounts.0 {
            let at = At { key: *place, value: *place };
            let source = self.need(&mount.source, "this mount", at, "source");
            let target = self.need(&mount.target, "this mount", at, "target");
            let writable = self.need(&mount.writable, "this mount", at, "writable");
            let (Some(source), Some(Absolute(target)), Some(writable)) = (source, target, writable) else { continue };
            let place = mount.target.at().map_or(*place, |at| at.value);
            if let Some(why) = forbidden(&target) {
                let message = format!("`{}` cannot be a mount: {why}", target.display());
                let help = "choose a folder of its own, such as /srv/data or /home/ubuntu/data";
                self.tell(Diagnostic::new(Kind::BadValue, place, message).help(help));
                continue;
            }
            let other =
                good.iter().find(|(other, _)| target.starts_with(&other.target) || other.target.starts_with(&target));
            if let Some((other, first)) = other {
                let message =
                    format!("`{}` and `{}` are mounted over each other", other.target.display(), target.display());
                let diagnostic = Diagnostic::new(Kind::DuplicateEntry, place, message).related(*first, "the first one");
                self.tell(diagnostic.help("give one of them another target, outside of the other's"));
                continue;
            }
            good.push((Mount { source: source.0, target, writable }, place));
        }
        good.into_iter().map(|(mount, _)| mount).collect()
    }

    fn cloud_init(&mut self, cloud_init: &CloudInitFile, at: At, shelf: &Shelf) -> Option<CloudInit> {
        let inputs = self.need(&cloud_init.inputs, "`cloud-init`", at, "inputs");
        let template = self.need(&cloud_init.template, "`cloud-init`", at, "template")?;
        let text = match shelf.template(&template) {
            Some(Template::Text(text)) => Some(text.clone()),
            Some(Template::Bad) => {
                self.count();
                None
            }
            None => {
                let place = cloud_init.template.at().unwrap_or(at).value;
                let known = shelf.known_templates.iter().map(|name| name.as_str());
                let message = format!("there is no template `{template}`: no file cloud-init/{template}.yaml.tera");
                self.tell(
                    Diagnostic::new(Kind::UnknownTemplate, place, message)
                        .help(suggest::help(template.as_str(), known)),
                );
                None
            }
        };
        Some(CloudInit { template: template.to_string(), text: text?, inputs: inputs?.0 })
    }

    fn doors(&mut self, ports: &List<u32>, at: At) -> Vec<u16> {
        // The reader let nothing greater through.
        let numbers: Vec<u16> = ports.values().filter_map(|port| u16::try_from(*port).ok()).collect();
        if !numbers.contains(&SSH) {
            let message = format!("`ports` lacks {SSH}, by which the machine is reached");
            let help = format!("add {SSH}: every component is reached through a tunnel that goes in there");
            self.tell(Diagnostic::new(Kind::BadValue, at.value, message).help(help));
        }
        numbers
    }

    fn timeouts(&mut self, timeouts: &TimeoutsFile, at: At) -> Option<Timeouts> {
        let launch = self.need(&timeouts.launch, "`timeouts`", at, "launch");
        let cloud_init = self.need(&timeouts.cloud_init, "`timeouts`", at, "cloud-init");
        let ready = self.need(&timeouts.ready, "`timeouts`", at, "ready");
        Some(Timeouts { launch: launch?, cloud_init: cloud_init?, ready: ready? })
    }
}

/// Why nothing can be mounted there, if so.
fn forbidden(target: &Path) -> Option<String> {
    let is_local = target.starts_with("/usr/local");
    if let Some(folder) = WHOLE.iter().find(|folder| target.starts_with(folder) && !is_local) {
        return Some(format!("{folder} is the machine's own"));
    }
    let hides = ITSELF.iter().any(|folder| target == Path::new(folder));
    hides.then(|| "it would hide what else is in there".to_owned())
}
