//! The user's wish to end, from the terminal to the engine.

use tokio::sync::watch;

/// How often the user has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressed {
    /// Not at all.
    No,
    /// Once: nothing new is begun, and what acts comes to its end.
    Once,
    /// More than once: what acts is broken off.
    Twice,
}

/// The side that asks.
#[derive(Debug)]
pub struct Interrupter(watch::Sender<Pressed>);

/// The side that is asked.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Pressed>);

/// Both sides.
pub fn channel() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(Pressed::No);
    (Interrupter(sender), Interrupt(receiver))
}

impl Interrupter {
    /// Asks once more.
    pub fn press(&self) {
        self.0.send_modify(|pressed| {
            *pressed = if *pressed == Pressed::No { Pressed::Once } else { Pressed::Twice };
        });
    }
}

impl Interrupt {
    /// One that nobody asks.
    pub fn never() -> Self {
        channel().1
    }

    /// How often the user has asked up to now.
    pub fn pressed(&self) -> Pressed {
        *self.0.borrow()
    }

    /// Waits until the user has asked once; for ever, if nobody can ask.
    pub async fn once(&mut self) {
        if self.0.wait_for(|pressed| *pressed != Pressed::No).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the user has asked twice; for ever, if nobody can ask any more.
    pub async fn twice(&mut self) {
        if self.0.wait_for(|pressed| *pressed == Pressed::Twice).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
