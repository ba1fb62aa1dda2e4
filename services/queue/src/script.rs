//! The scripts that run inside the server, each of which happens as a whole or not at all.

use redis::Script;
use std::sync::LazyLock;

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/common.lua"), include_str!(concat!("scripts/", $file))))
        });
    };
}

script!(ENQUEUE, "enqueue.lua");
script!(CLAIM, "claim.lua");
script!(FINISH, "finish.lua");
script!(RECOVER, "recover.lua");
script!(CANCEL, "cancel.lua");
script!(REQUEUE, "requeue.lua");
script!(STATS, "stats.lua");
script!(LEAVE, "leave.lua");
