//! From observations to medians, the table and the JSON lines.

use std::{collections::BTreeMap, fmt, fmt::Write};

use serde_json::json;

use crate::message::Side;

/// Something that a scenario observes once a round for each contender.
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

/// The observations of all rounds of one scenario.
#[derive(Debug, Default)]
pub(crate) struct Observations(BTreeMap<(&'static str, Contender), Vec<f64>>);

impl Observations {
    pub(crate) fn add(&mut self, metric: &'static str, of: impl Into<Contender>, value: f64) {
        self.0.entry((metric, of.into())).or_default().push(value);
    }

    /// Adds those of another round.
    pub(crate) fn append(&mut self, round: Self) {
        for (key, values) in round.0 {
            self.0.entry(key).or_default().extend(values);
        }
    }

    fn summary(&self, metric: &'static str, of: Contender) -> Option<Summary> {
        let mut values = self.0.get(&(metric, of))?.clone();
        let median = percentile(&mut values, 0.5);
        Some(Summary {
            median,
            least: values[0],
            most: values[values.len() - 1],
        })
    }
}

/// A metric's rounds in three numbers.
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
    let mut table = format!(
        "{scenario}\n  {:<27} {:>9} {:<19} {:>9} {:<19} {:>6}  {}\n",
        "", "stock", "(spread)", "framewr.", "(spread)", "ratio", "limit"
    );
    for row in rows(metrics, observations) {
        let cell = |summary: Option<Summary>| summary.map(|s| s.to_string()).unwrap_or_default();
        let ratio = row.ratio.map(|ratio| format!("{ratio:.3}"));
        let line = format!(
            "  {:<27} {:<29} {:<29} {:>6}  {}",
            row.metric,
            cell(row.stock),
            cell(row.framewright),
            ratio.as_deref().unwrap_or("-"),
            cell(row.limit).trim()
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
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
