//! The outside services as real local servers, misbehaving on demand: for tests, the demo, and
//! whoever integrates with Portaria.

mod cloud;
mod evolution;
mod evolution_bodies;
mod faults;
pub mod hostile;
mod mail;
mod model;
mod whaticket;

pub use cloud::{
    CloudSandbox, cloud_change, cloud_event, cloud_message, cloud_signature, cloud_status,
};
pub use evolution::{EvolutionSandbox, Sent};
pub use evolution_bodies::{customer_message, evolution_status};
pub(crate) use faults::hang_up;
pub use faults::{Fault, Faults};
pub use mail::MailSandbox;
pub use model::ModelSandbox;
pub use whaticket::{Version, WhaticketSandbox, whaticket_message, whaticket_signature};

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that stops when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Serving on loopback ends only by abort.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
