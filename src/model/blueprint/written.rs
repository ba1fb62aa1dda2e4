//! What stands in a file of `blueprints/`, key by key.

use super::Network;
use super::scalars::{Absolute, Command, ImageName, InputsFile, Release, Source};
use crate::model::here::Here;
use crate::model::ids::TemplateName;
use crate::model::list::List;
use crate::model::node::Node;
use crate::model::quantity::{Size, Span};
use crate::model::reader::{At, Field, Readable, Reader, Repeat};
use crate::model::scalars::Line;
use crate::model::schema::{Choice, Form, Key};
use crate::model::table::{choice, option, readable_table, table};

table! {
    /// A file in `blueprints/`.
    BlueprintFile {
        /// One line that says what the machine is for.
        description: Line = "description";
        /// What the machine's disk is made from.
        image: ImageFile = "image";
        /// How many processors it gets.
        cpus: u32 = "cpus" [within "1" to "256"];
        /// How much memory it gets.
        memory: Size = "memory" [within "512MiB" to "64TiB"];
        /// How large its disk is.
        disk: Size = "disk" [within "2GiB" to "64TiB"];
        /// How it is connected.
        network: Network = "network" [default "private"];
        /// Folders of this host that it sees.
        mounts: List<MountFile> = "mounts" [default "[]"];
        /// What it is initialised with.
        cloud_init: CloudInitFile = "cloud-init";
        /// TCP ports that are reached at its address. 22 is the way in to everything else.
        ports: List<u32> = "ports" [default "[22]"] [within "1" to "65535"];
        /// Commands that must succeed in it, as root, once cloud-init has finished; each is tried again until it does.
        ready: List<Command> = "ready" [default "[]"];
        /// How long each part of its making may take.
        timeouts: TimeoutsFile = "timeouts" [default "{}"];
    }
}

table! {
    /// What a machine's disk is made from, by the words of whoever makes it.
    ImageFile {
        /// For LXD: `REMOTE:IMAGE`, or the alias of a local image.
        lxd: ImageName = "lxd";
        /// For Multipass: an alias such as `24.04`, or `REMOTE:ALIAS`.
        multipass: ImageName = "multipass";
        /// The release of Debian that an image is made from where LXD can have no other. Without it, none is made.
        debian: Release = "debian";
    }
}

table! {
    /// A folder of this host that a machine sees.
    MountFile {
        /// The folder on this host. A relative path starts at the project folder.
        source: Source = "source";
        /// Where the machine sees it: a path from the root on.
        target: Absolute = "target";
        /// Whether the machine may change what is in it.
        writable: bool = "writable" [default "false"];
    }
}

table! {
    /// What a machine is initialised with.
    CloudInitFile {
        /// The template: the name of a file in `cloud-init/` without its `.yaml.tera`.
        template: TemplateName = "template";
        /// What the template is filled with, beside what reportctl gives to each. Never a secret: the machine and this
        /// host keep the result where others can read it.
        inputs: InputsFile = "inputs" [default "{}"];
    }
}

table! {
    /// How long each part of a machine's making may take.
    TimeoutsFile {
        /// Fetching the image, until the machine has an address.
        launch: Span = "launch" [default "10m"] [within "10s" to "3h"];
        /// From then on, until cloud-init has finished.
        cloud_init: Span = "cloud-init" [default "15m"] [within "10s" to "3h"];
        /// From then on, until the commands under `ready` succeed.
        ready: Span = "ready" [default "2m"] [within "1s" to "1h"];
    }
}

readable_table!(ImageFile Image);
readable_table!(MountFile Mount);
readable_table!(CloudInitFile CloudInit);
readable_table!(TimeoutsFile Timeouts);

choice!(Network {
    "private" Private "A network of its own behind this host's address (LXD), or the one that Multipass gives to all.";
});

impl BlueprintFile {
    /// Reads the tree of a file. There is none when the file holds no keys and values, which was then told.
    pub fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Self> {
        Self::read_from(reader, root, "", Here::Blueprint)
    }
}
