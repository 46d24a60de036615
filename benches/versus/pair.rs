//! A server and a client, from their start to what they measured.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    link::Link,
    machine::Cores,
    message::{Command, Identity, Measured, Reply, Role, Spec},
    process::Child,
    usage::Usage,
};

/// Beyond the phases of the load, time for starting, connecting and answering.
const GRACE: Duration = Duration::from_secs(60);

/// What scenarios are run with.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Tiny sizes: does it run at all?
    pub(crate) smoke: bool,
    pub(crate) cores: Option<Cores>,
    pub(crate) identity: Identity,
    /// The largest share of a measured phase that one of its processes waited
    /// for its core, since this was last taken.
    pub(crate) disturbance: Cell<f64>,
}

impl Bench {
    fn disturbed(&self, used: Usage, seconds: f64) {
        // A phase without a length (holding) has no share.
        if seconds > 0.0 {
            let share = used.waited as f64 / 1e9 / seconds;
            self.disturbance.set(self.disturbance.get().max(share));
        }
    }
}

/// A server and a client that has connected and warmed up.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    bench: &'a Bench,
    // First, so that it is dropped first: servers outlive their clients.
    client: Child,
    server: Child,
    _link: Option<Link>,
}

/// What a pair measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) client: Measured,
    pub(crate) server: Usage,
}

impl<'a> Pair<'a> {
    pub(crate) fn start(
        bench: &'a Bench,
        server: Role,
        client: Role,
        mut spec: Spec,
    ) -> Result<Self> {
        let phases = Duration::from_millis(spec.load.warm_up + spec.load.measured);
        let deadline = Instant::now() + phases + GRACE;
        let cores = bench.cores;
        let mut server = Child::start(server, cores.map(|cores| cores.server), &spec, deadline)?;
        let Reply::Listening(address) = server.reply()? else {
            return Err("a server began with something other than its address".into());
        };
        let link = match &spec.wire {
            Some(wire) => {
                let delay = Duration::from_millis(wire.delay);
                let link = Link::builder()
                    .rate(wire.rate)
                    .delay(delay)
                    .segment(wire.segment);
                Some(link.to(address).start()?)
            }
            None => None,
        };
        spec.server = Some(link.as_ref().map_or(address, |link| link.address));
        let mut client = Child::start(client, cores.map(|cores| cores.client), &spec, deadline)?;
        let Reply::Ready = client.reply()? else {
            return Err("a client began with something other than being ready".into());
        };
        Ok(Self {
            bench,
            client,
            server,
            _link: link,
        })
    }

    /// The client's measured phase, and what it cost the server; `settle` lies
    /// between the end of the one and the reading of the other.
    pub(crate) fn measure(&mut self, settle: Duration) -> Result<Outcome> {
        self.begin()?;
        self.end(settle)
    }

    /// Begins a measured phase, so that those of several pairs can be at the
    /// same time.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let Reply::Marked = self.server.ask(Command::Mark)? else {
            return Err("a server did not mark".into());
        };
        self.client.tell(Command::Measure)
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self, settle: Duration) -> Result<Outcome> {
        let client = self.measured()?;
        thread::sleep(settle);
        let Reply::Used(server) = self.server.ask(Command::Report)? else {
            return Err("a server did not report".into());
        };
        self.bench.disturbed(server, client.seconds);
        Ok(Outcome { client, server })
    }

    /// The client's measured phase alone, where the server has nothing to say.
    pub(crate) fn measure_client(&mut self) -> Result<Measured> {
        self.client.tell(Command::Measure)?;
        self.measured()
    }

    fn measured(&mut self) -> Result<Measured> {
        let Reply::Measured(client) = self.client.reply()? else {
            return Err("a client did not measure".into());
        };
        self.bench.disturbed(client.used, client.seconds);
        Ok(client)
    }

    /// Process ids, server's first.
    pub(crate) fn ids(&self) -> [u32; 2] {
        [self.server.id(), self.client.id()]
    }
}
