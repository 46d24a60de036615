//! From observations to medians, the table and the JSON lines.

use std::{collections::BTreeMap, fmt, fmt::Write};

use serde_json::json;

use crate::message::Side;

/// Something that a scenario observes once a slice for each contender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) better: Better,
}

/// Which way a metric is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Metric {
    pub(crate) const fn higher(name: &'static str) -> Self {
        let better = Better::Higher;
        Self { name, better }
    }

    pub(crate) const fn lower(name: &'static str) -> Self {
        let better = Better::Lower;
        Self { name, better }
    }
}

/// Who was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    Stock,
    Framewright,
    /// What the machine can do at best.
    Limit,
}

impl From<Side> for Contender {
    fn from(side: Side) -> Self {
        match side {
            Side::Stock => Self::Stock,
            Side::Framewright => Self::Framewright,
        }
    }
}

/// What was observed of every contender within the same second.
#[derive(Debug, Default)]
struct Slice {
    /// The largest share of the time that a process waited for its core.
    disturbance: f64,
    values: BTreeMap<(&'static str, Contender), f64>,
}

/// The share of its time that a process may wait for its core before a slice
/// counts as disturbed.
const QUIET: f64 = 0.03;

/// The slices of all rounds of one scenario.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    open: Slice,
    slices: Vec<Slice>,
}

impl Observations {
    pub(crate) fn add(&mut self, metric: &'static str, of: impl Into<Contender>, value: f64) {
        self.open.values.insert((metric, of.into()), value);
    }

    /// Every contender has been observed.
    pub(crate) fn end_slice(&mut self, disturbance: f64) {
        self.open.disturbance = disturbance;
        self.slices.push(std::mem::take(&mut self.open));
    }

    /// The slices that count: the quiet ones, and at least the quietest third.
    ///
    /// A slice is kept or dropped as a whole, so no contender is favoured.
    fn counted(&self) -> Vec<&Slice> {
        let mut slices: Vec<_> = self.slices.iter().collect();
        slices.sort_by(|a, b| a.disturbance.total_cmp(&b.disturbance));
        let quiet = slices.partition_point(|slice| slice.disturbance <= QUIET);
        slices.truncate(quiet.max(slices.len().div_ceil(3)));
        slices
    }

    fn summary(&self, metric: &'static str, of: Contender) -> Option<Summary> {
        let values = |slice: &Slice| slice.values.get(&(metric, of)).copied();
        let mut values: Vec<_> = self.counted().into_iter().filter_map(values).collect();
        let median = percentile(&mut values, 0.5);
        Some(Summary {
            median,
            least: *values.first()?,
            most: *values.last()?,
        })
    }

    /// One line for the foot of the table.
    fn quietness(&self) -> String {
        let counted = self.counted();
        let most = counted.last().map_or(0.0, |slice| slice.disturbance);
        format!(
            "{} of {} slices count, in which no process waited more than {:.1} % for its core",
            counted.len(),
            self.slices.len(),
            most * 100.0
        )
    }
}

/// A metric's slices in three numbers.
#[derive(Clone, Copy, Debug)]
struct Summary {
    median: f64,
    least: f64,
    most: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, least, most] = [self.median, self.least, self.most].map(short);
        write!(f, "{median:>9} {:<19}", format!("({least}..{most})"))
    }
}

/// The value below which the share `p` of `values` lies, which it sorts; the
/// mean of the middle two where `p` falls between.
pub(crate) fn percentile(values: &mut [f64], p: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let at = last as f64 * p;
    let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
    f64::midpoint(below, above)
}

/// One metric's medians.
#[derive(Debug)]
struct Row {
    metric: &'static str,
    stock: Option<Summary>,
    framewright: Option<Summary>,
    limit: Option<Summary>,
    /// Above 1 is better, whichever way the metric is good.
    ratio: Option<f64>,
}

fn rows(metrics: &[Metric], observations: &Observations) -> Vec<Row> {
    let row = |metric: &Metric| {
        let get = |of| observations.summary(metric.name, of);
        let (stock, framewright) = (get(Contender::Stock), get(Contender::Framewright));
        let ratio = stock.zip(framewright).and_then(|(stock, framewright)| {
            let (above, below) = match metric.better {
                Better::Higher => (framewright.median, stock.median),
                Better::Lower => (stock.median, framewright.median),
            };
            // Nothing held on either side has no ratio.
            (above > 0.0 && below > 0.0).then(|| above / below)
        });
        Row {
            metric: metric.name,
            stock,
            framewright,
            limit: get(Contender::Limit),
            ratio,
        }
    };
    metrics.iter().map(row).collect()
}

/// The table's rows of one scenario.
pub(crate) fn table(scenario: &str, metrics: &[Metric], observations: &Observations) -> String {
    let names = metrics.iter().map(|metric| metric.name.len());
    let width = names.max().unwrap_or_default().max(27);
    let mut table = format!(
        "{scenario}\n  {:<width$} {:>9} {:<19} {:>9} {:<19} {:>6}  {}\n",
        "", "stock", "(spread)", "framewr.", "(spread)", "ratio", "limit"
    );
    for row in rows(metrics, observations) {
        let cell = |summary: Option<Summary>| summary.map(|s| s.to_string()).unwrap_or_default();
        let ratio = row.ratio.map(|ratio| format!("{ratio:.3}"));
        let line = format!(
            "  {:<width$} {:<29} {:<29} {:>6}  {}",
            row.metric,
            cell(row.stock),
            cell(row.framewright),
            ratio.as_deref().unwrap_or("-"),
            cell(row.limit).trim()
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    let _ = writeln!(table, "  {}", observations.quietness());
    table
}

/// One JSON object a line and a metric.
pub(crate) fn json(scenario: &str, metrics: &[Metric], observations: &Observations) -> String {
    let mut lines = String::new();
    for row in rows(metrics, observations) {
        let median = |summary: Option<Summary>| json!(summary.map(|summary| summary.median));
        // By hand for the order of the keys, which `json!` would sort.
        let _ = writeln!(
            lines,
            r#"{{"scenario":{},"metric":{},"stock":{},"framewright":{},"ratio":{},"limit":{}}}"#,
            json!(scenario),
            json!(row.metric),
            median(row.stock),
            median(row.framewright),
            json!(row.ratio),
            median(row.limit),
        );
    }
    lines
}

/// Four significant digits, no exponent.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 1.0 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}
