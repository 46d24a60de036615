//! An attack on bare hyper, and the same on hyper behind the transport.

use std::net::{SocketAddr, TcpListener};
use std::sync::Once;
use std::time::Duration;

use crate::attacker::{Attacker, Ending};
use crate::bystander::{Bystander, Standing};
use crate::child::Victim;
use crate::victim::{BUDGET, Kind, Role};

/// What a connection may take beyond what hyper takes, by [`Config`]'s defaults:
///
/// - 4 MiB of queues (`queue`), and as much again for what frames that are queued
///   take beside their octets;
/// - 256 KiB of a batch (`batch`), which is gathered while another is written;
/// - 256 KiB that were read (`read_ahead`), the same again for the edited form of
///   them, and as much for the map of it;
/// - 512 streams that are known, 256 priorities and 4,096 ranges of streams that were
///   reset: less than 1 MiB.
///
/// [`Config`]: framewright::Config
const CONNECTION: u64 = 2 * (4 << 20) + 2 * (256 << 10) + 3 * (256 << 10) + (1 << 20);

/// What one of many connections may take that does not do much: the part of a frame
/// that is to be seen whole, and the rest of what is known of it.
const QUIET: u64 = 32 << 10;

/// What the allocator may be off by from one run to the next.
const NOISE: u64 = 2 << 20;

/// No attack here takes more than this, whatever bare hyper takes: all that managed
/// windows let in, and what one connection has beside it.
const ABSOLUTE: u64 = BUDGET + CONNECTION;

/// What one attack came to.
#[derive(Debug)]
struct Outcome {
    ending: Ending,
    grown: u64,
    cpu: Duration,
    sent: u64,
    connections: u64,
    by: Bystander,
}

/// An attack: what it does, and with which SETTINGS.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static [(u16, u32)],
    pub(crate) run: fn(&mut Attacker),
    /// What each connection beside the first may take.
    pub(crate) others: u64,
    /// It depends on who is faster how it ends.
    pub(crate) is_race: bool,
}

impl Attack {
    pub(crate) const fn new(name: &'static str, run: fn(&mut Attacker)) -> Self {
        Self {
            name,
            settings: &[],
            run,
            others: QUIET,
            is_race: false,
        }
    }

    pub(crate) const fn with(self, settings: &'static [(u16, u32)]) -> Self {
        Self { settings, ..self }
    }

    /// Each connection beside the first may queue that much too.
    pub(crate) const fn queueing(self, octets: u64) -> Self {
        let others = QUIET + octets;
        Self { others, ..self }
    }

    /// It depends on who is faster how it ends.
    pub(crate) const fn racing(self) -> Self {
        Self {
            is_race: true,
            ..self
        }
    }

    /// Attacks servers, and judges.
    pub(crate) fn on_servers(&self) {
        self.judge(|kind| self.on_server(kind));
    }

    /// Attacks clients, and judges.
    pub(crate) fn on_clients(&self) {
        self.judge(|kind| self.on_client(kind));
    }

    fn on_server(&self, kind: Kind) -> Outcome {
        let mut victim = Victim::start(Role::Server, kind);
        let port = victim.port();
        let by = Standing::by(port);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let measured = Measured::begin(&victim);
        let attacker = Attacker::connect(address, self.settings);
        let (ending, attacker) = self.run(attacker);
        let (grown, cpu) = measured.end(&victim);
        let (sent, connections) = (attacker.sent, 1 + attacker.others.len() as u64);
        drop(attacker);
        let by = by.leave();
        // What bare hyper leaves is not judged here.
        if kind != Kind::Bare {
            let stats = victim.settled();
            let is_seen = kind == Kind::Loaded && stats["forged"] > 0;
            assert!(!is_seen, "a handler has seen a tag");
        }
        Outcome {
            ending,
            grown,
            cpu,
            sent,
            connections,
            by,
        }
    }

    fn on_client(&self, kind: Kind) -> Outcome {
        let good = Victim::start(Role::Server, Kind::Bare);
        let good_port = good.port();
        let mut victim = Victim::start(Role::Client, kind);
        assert_eq!(victim.hears(), "ready");
        victim.order(&format!("bystand {good_port}"));
        while victim.stats()["requests"] < 8 {
            std::thread::sleep(Duration::from_millis(2));
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let measured = Measured::begin(&victim);
        victim.order(&format!("attack {port}"));
        let (io, _) = listener.accept().expect("a connection");
        let attacker = Attacker::serving(io, self.settings);
        let (ending, attacker) = self.run(attacker);
        let (grown, cpu) = measured.end(&victim);
        let sent = attacker.sent;
        drop(attacker);
        let stats = victim.stats();
        let by = Bystander {
            requests: stats["requests"],
            failures: stats["failures"],
            slowest: Duration::from_micros(stats["slowest"]),
        };
        // The client's other connection ends with the server.
        drop(good);
        if kind != Kind::Bare {
            victim.settled();
        }
        Outcome {
            ending,
            grown,
            cpu,
            sent,
            connections: 1,
            by,
        }
    }

    fn run(&self, mut attacker: Attacker) -> (Ending, Attacker) {
        (self.run)(&mut attacker);
        let ending = attacker.end();
        for other in &mut attacker.others {
            attacker.sent += other.sent;
        }
        (ending, attacker)
    }

    fn judge(&self, run: impl Fn(Kind) -> Outcome) {
        let [bare, loaded, plain] = [Kind::Bare, Kind::Loaded, Kind::Plain].map(run);
        self.print(&bare, &loaded, &plain);
        assert_eq!(bare.by.failures, 0, "of others, bare");
        for (kind, behind) in [(Kind::Loaded, &loaded), (Kind::Plain, &plain)] {
            assert_eq!(behind.by.failures, 0, "of others, {kind:?}");
            assert!(
                self.is_race || bare.ending.is_like(behind.ending),
                "{kind:?} ends otherwise"
            );
            let bound = CONNECTION + behind.connections * self.others + NOISE;
            assert!(
                behind.grown <= bare.grown + bound,
                "{kind:?} takes {} octets, {} bare",
                behind.grown,
                bare.grown
            );
            assert!(
                behind.grown <= ABSOLUTE,
                "{kind:?} takes {} octets",
                behind.grown
            );
            // Generous: this is for costs of another order.
            let most = 5 * bare.cpu + Duration::from_secs(1);
            assert!(behind.cpu <= most, "{kind:?} works for {:?}", behind.cpu);
        }
    }

    fn print(&self, bare: &Outcome, loaded: &Outcome, plain: &Outcome) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| {
            eprintln!();
            eprintln!(
                "| attack | sent, MiB | ending | peak memory, MiB | CPU, ms | CPU ratio | \
                 other requests | failed | slowest, ms |"
            );
            eprintln!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        });
        let all = [bare, loaded, plain];
        let each = |of: &dyn Fn(&Outcome) -> String| all.map(of).join(" / ");
        let mib = |octets: u64| format!("{:.1}", octets as f64 / f64::from(1 << 20));
        let mut ending = format!("{:?}", bare.ending);
        for other in &all[1..] {
            if other.ending != bare.ending {
                ending += &format!(" / {:?}", other.ending);
            }
        }
        let ratio = |of: &Outcome| of.cpu.as_secs_f64() / bare.cpu.as_secs_f64();
        eprintln!(
            "| {} | {} | {ending} | {} | {} | {:.1} / {:.1} | {} | {} | {} |",
            self.name,
            each(&|of| mib(of.sent)),
            each(&|of| mib(of.grown)),
            each(&|of| of.cpu.as_millis().to_string()),
            ratio(loaded),
            ratio(plain),
            each(&|of| of.by.requests.to_string()),
            all.iter().map(|of| of.by.failures).sum::<u64>(),
            each(&|of| of.by.slowest.as_millis().to_string()),
        );
    }
}

/// What the victim had taken before.
struct Measured {
    resident: u64,
    cpu: Duration,
}

impl Measured {
    fn begin(victim: &Victim) -> Self {
        victim.forget_peak();
        let before = victim.resources();
        Self {
            resident: before.resident,
            cpu: before.cpu,
        }
    }

    /// By how much memory has grown at its peak, and the time on a processor.
    fn end(&self, victim: &Victim) -> (u64, Duration) {
        let after = victim.resources();
        let grown = after.peak.saturating_sub(self.resident);
        (grown, after.cpu.saturating_sub(self.cpu))
    }
}
