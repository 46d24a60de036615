//! hyper behind the transport: against bare hyper, where the peer sends what the
//! fuzzer likes; and against h2 behind a transport of its own, where all has to
//! arrive. And the stack in miniature of the transport's own tests, whose octets are
//! the fuzzer's, over sockets of all manners.

mod executor;
mod pair;
mod peer;

use proptest::prelude::*;

use super::Source;
use crate::transport::tests::mock::Manners;
use crate::transport::tests::model::{self, manners};
use crate::{BufferPool, Config, FlowControl};

pub(super) fn fuzz(mut source: Source<'_>) {
    let [kind] = source.octets();
    match kind % 8 {
        0 | 4 => pair::fuzz(source),
        3 => model::fuzz(source),
        _ => peer::fuzz(source, kind % 4 == 1),
    }
}

/// A configuration, and how its socket behaves.
fn setup(pool: &BufferPool) -> impl Strategy<Value = (Config, Manners)> + use<> {
    let pool = pool.clone();
    let sizes = (1_000..100_000_usize, 1_000..300_000_usize, 1..10_u32);
    let config = (any::<[bool; 5]>(), sizes).prop_map(
        move |([defer, records, schedule, handles, managed], (batch, read, turn))| {
            Config::default()
                .pool(pool.clone())
                .defer_flush(defer)
                .over_tls(records)
                .schedule(schedule)
                .stream_handles(handles)
                .flow_control(managed.then(FlowControl::default))
                .batch(batch, batch * 4)
                .read_ahead(read.min(50_000), read)
                .turn(turn)
        },
    );
    (config, manners())
}
