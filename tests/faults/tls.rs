//! TCP that ends with no word of it from TLS, anywhere in a record, and other
//! faults below TLS.

use std::fmt;
use std::io;
use std::sync::Arc;

use framewright::Transport;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::ends::{BoxIo, Io, Setup, World};
use crate::octets;
use crate::pki::{self, Authority};
use crate::runs::Plan;
use crate::wire::{Kind, Shape};

/// Either end's certificates.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS")
    }
}

impl Tls {
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let server = authority.leaf(&["localhost"]).server(&["h2"]);
        let client = pki::stock_client(authority.roots(), &["h2"]);
        Self {
            acceptor: Arc::new(server).into(),
            connector: Arc::new(client).into(),
        }
    }

    pub(crate) async fn accept<IO: Io + 'static>(
        &self,
        world: &World,
        io: IO,
    ) -> io::Result<BoxIo> {
        if world.setup == Setup::Bare {
            return Ok(Box::new(self.acceptor.accept(io).await?));
        }
        let io = Transport::accept_tls(&self.acceptor, io, world.config()).await?;
        world.watch(io.handle());
        Ok(Box::new(io))
    }

    pub(crate) async fn connect<IO: Io + 'static>(
        &self,
        world: &World,
        io: IO,
    ) -> io::Result<BoxIo> {
        let name = ServerName::try_from("localhost").expect("a name");
        if world.setup == Setup::Bare {
            return Ok(Box::new(self.connector.connect(name, io).await?));
        }
        let io = Transport::connect_tls(&self.connector, name, io, world.config()).await?;
        world.watch(io.handle());
        Ok(Box::new(io))
    }
}

#[test]
fn an_end_with_no_close_notify() {
    let tls = Tls::new();
    let plan = Plan::new(Shape::Roomy, octets::SHORT).over_tls(&tls);
    octets::compare(plan, 1, &[Kind::Eof], "TLS truncated");
}

#[test]
fn a_fault_below_tls() {
    let tls = Tls::new();
    let plan = Plan::new(Shape::Roomy, octets::SHORT).over_tls(&tls);
    let kinds = [Kind::Read, Kind::Write, Kind::WriteOn, Kind::WriteZero];
    octets::compare(plan, 7, &kinds, "below TLS");
}
