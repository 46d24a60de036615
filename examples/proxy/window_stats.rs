//! What the receive windows of one side come to, as `/stats` shows it.

use framewright::ConnectionStats;
use serde_json::{Value, json};

/// The sum of some connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Windows {
    /// In seconds, of those that know theirs.
    round_trips: RoundTrips,
    reserve: i64,
    unconsumed: u64,
    stops: u64,
    largest_product: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct RoundTrips {
    count: u32,
    least: f64,
    most: f64,
    sum: f64,
}

impl Windows {
    pub(crate) fn add(&mut self, stats: &ConnectionStats) {
        if let Some(round_trip) = stats.round_trip {
            self.round_trips.add(round_trip.as_secs_f64());
        }
        self.reserve += stats.receive_reserve;
        self.unconsumed += stats.unconsumed_octets;
        self.stops += stats.window_stops;
        self.largest_product = self.largest_product.max(stats.bandwidth_delay_product);
    }

    /// What is left of these connections once they are gone.
    pub(crate) fn past(&self) -> Self {
        Self {
            stops: self.stops,
            largest_product: self.largest_product,
            ..Self::default()
        }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "round_trip_seconds": self.round_trips.to_json(),
            "reserve_octets": self.reserve,
            "unconsumed_octets": self.unconsumed,
            "stops": self.stops,
            "largest_bandwidth_delay_product": self.largest_product,
        })
    }
}

impl RoundTrips {
    fn add(&mut self, seconds: f64) {
        self.least = if self.count == 0 {
            seconds
        } else {
            self.least.min(seconds)
        };
        self.most = self.most.max(seconds);
        self.sum += seconds;
        self.count += 1;
    }

    /// Nothing where none is known.
    fn to_json(self) -> Value {
        match self.count {
            0 => Value::Null,
            count => json!({
                "min": self.least,
                "max": self.most,
                "mean": self.sum / f64::from(count),
            }),
        }
    }
}
