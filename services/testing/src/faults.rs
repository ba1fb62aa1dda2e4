//! Trouble, made on purpose, in a loop, under load: programs are killed, Redis is restarted, cut off and held.

use super::RedisServer;
use std::process::Child;
use std::time::{Duration, Instant};

/// A program that is killed and started again.
pub struct Program {
    start: Box<dyn FnMut() -> Child + Send>,
    child: Child,
}

impl Program {
    /// Starts one.
    pub fn start(mut start: impl FnMut() -> Child + Send + 'static) -> Self {
        let child = start();
        Self { start: Box::new(start), child }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        // It may have ended by itself; then it is there to be started again all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.child = (self.start)();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Made {
    /// Programs killed, each started again at once or up to 3 s later.
    pub kills: u32,
    /// Restarts of Redis, with up to 2 s between.
    pub restarts: u32,
    /// Times that all connections were cut.
    pub cuts: u32,
    /// Times that Redis was held for up to 8 s.
    pub holds: u32,
    /// Times that Redis was held for 30 s.
    pub long_holds: u32,
}

/// Who makes trouble, and for whom.
pub struct Troublemaker {
    /// The server that suffers.
    pub redis: RedisServer,
    /// The programs that suffer.
    pub programs: Vec<Program>,
    /// What the choices are drawn from: the same seed makes the same trouble, though at other moments of the work.
    pub random: fastrand::Rng,
}

impl Troublemaker {
    /// Makes trouble until `done`, asked between two troubles, or until `give_up` has passed. `tell` is told of each.
    /// In the end Redis and all programs run. The first long hold comes as the third trouble, so that each run has one.
    pub fn make(&mut self, give_up: Duration, mut done: impl FnMut() -> bool, mut tell: impl FnMut(&str)) -> Made {
        let end = Instant::now() + give_up;
        let mut made = Made::default();
        let mut round = 0;
        while !done() && Instant::now() < end {
            round += 1;
            self.quiet(300..2500);
            match self.random.u8(0..100) {
                _ if round == 3 => self.hold(Duration::from_secs(30), &mut made.long_holds, &mut tell),
                0..45 => self.kill_one(&mut made, &mut tell),
                45..65 => self.cut(&mut made, &mut tell),
                65..82 => self.restart(&mut made, &mut tell),
                _ => {
                    let time = Duration::from_millis(self.random.u64(500..8000));
                    self.hold(time, &mut made.holds, &mut tell);
                }
            }
        }
        made
    }

    /// Lets the others work for a while.
    fn quiet(&mut self, ms: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.random.u64(ms)));
    }

    fn kill_one(&mut self, made: &mut Made, tell: &mut impl FnMut(&str)) {
        let which = self.random.usize(0..self.programs.len());
        tell(&format!("program {which} is killed"));
        made.kills += 1;
        self.programs[which].kill();
        if self.random.bool() {
            self.quiet(0..3000);
        }
        self.programs[which].start_again();
    }

    fn cut(&mut self, made: &mut Made, tell: &mut impl FnMut(&str)) {
        tell("all connections are cut");
        made.cuts += 1;
        let mut command = redis::cmd("CLIENT");
        command.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        command.exec(&mut self.redis.connection()).unwrap();
    }

    fn restart(&mut self, made: &mut Made, tell: &mut impl FnMut(&str)) {
        tell("redis is restarted");
        made.restarts += 1;
        self.redis.stop();
        self.quiet(0..2000);
        self.redis.start_again();
    }

    fn hold(&self, time: Duration, count: &mut u32, tell: &mut impl FnMut(&str)) {
        tell(&format!("redis is held for {:.1} s", time.as_secs_f64()));
        *count += 1;
        self.redis.pause();
        std::thread::sleep(time);
        self.redis.resume();
    }
}
