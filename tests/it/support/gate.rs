//! A door that a test opens when it has seen what it wanted to see.

use tokio::sync::watch;

/// Closed until [`Gate::open`]; whoever waits at it then passes, now and later.
#[derive(Clone, Debug)]
pub struct Gate {
    state: watch::Sender<bool>,
}

impl Gate {
    pub fn closed() -> Self {
        Self {
            state: watch::Sender::new(false),
        }
    }

    pub fn open(&self) {
        self.state.send_replace(true);
    }

    pub async fn passed(&self) {
        let mut seen = self.state.subscribe();
        seen.wait_for(|open| *open)
            .await
            .expect("the sender lives in self");
    }
}
