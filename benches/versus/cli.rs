//! The command line, and the run that it asks for.

use std::{cell::Cell, fs::File, io::Write, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};

use crate::{
    Result, machine,
    message::{Role, Side},
    pair::{Bench, Pair},
    report::{self, Observations},
    scenario::{self, Scenario},
    tls,
};

/// Stock hyper against hyper over framewright, in turn, in one run.
#[derive(Debug, Parser)]
#[command(name = "versus")]
pub(crate) struct Cli {
    /// What to run; everything if none is named.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Rounds a scenario, each with fresh processes.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Writes one JSON object a line and a metric.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Tiny sizes and one round: does everything run?
    #[arg(long)]
    smoke: bool,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
    /// Runs one side of a scenario alone and prints its process ids.
    #[arg(long, num_args = 2, value_names = ["SCENARIO", "SIDE"])]
    profile: Option<Vec<String>>,
    /// How long `--profile` runs.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seconds: u64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// What this process is in a run of another.
    #[arg(long, hide = true)]
    pub(crate) role: Option<Role>,
}

/// The command line; ends the process where it is wrong.
pub(crate) fn parse() -> Cli {
    let mut cli = Cli::parse();
    // `cargo test --all-targets` runs benchmarks too, and means "does it run?".
    cli.smoke |= !cli.bench && cli.scenarios.is_empty();
    cli
}

/// Ends the process as clap does for what it finds itself: with code 2.
fn misused(what: impl std::fmt::Display) -> ! {
    Cli::command().error(ErrorKind::InvalidValue, what).exit()
}

fn find(name: &str) -> &'static dyn Scenario {
    scenario::find(name)
        .unwrap_or_else(|| misused(format_args!("no scenario {name:?}; --list names them")))
}

/// Does what the command line says.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    if cli.list {
        for scenario in scenario::ALL {
            println!("{:<14} {}", scenario.name(), scenario.about());
        }
        return Ok(());
    }
    let cores = machine::cores();
    println!("{}\n", machine::describe(&cores));
    let bench = Bench {
        smoke: cli.smoke,
        cores: cores.ok(),
        identity: tls::identity()?,
        disturbance: Cell::default(),
    };
    match &cli.profile {
        Some(what) => profile(cli, &bench, find(&what[0]), &what[1]),
        None => compare(cli, &bench),
    }
}

fn compare(cli: &Cli, bench: &Bench) -> Result<()> {
    let mut chosen: Vec<_> = cli.scenarios.iter().map(|name| find(name)).collect();
    if chosen.is_empty() {
        chosen.extend(scenario::ALL);
    }
    let mut json = cli.json.as_ref().map(File::create).transpose()?;
    let rounds = if cli.smoke { 1 } else { cli.rounds };
    for scenario in chosen {
        let mut observations = Observations::default();
        for round in 1..=rounds {
            scenario
                .round(bench, &mut observations)
                .map_err(|error| format!("{}, round {round}: {error}", scenario.name()))?;
        }
        let (name, metrics) = (scenario.name(), scenario.metrics());
        println!("{}", report::table(name, metrics, &observations));
        if let Some(file) = &mut json {
            file.write_all(report::json(name, metrics, &observations).as_bytes())?;
        }
    }
    Ok(())
}

fn profile(cli: &Cli, bench: &Bench, scenario: &dyn Scenario, side: &str) -> Result<()> {
    let side = Side::from_str(side, true).unwrap_or_else(|why| misused(why));
    let Some((server, client, mut spec)) = scenario.pair(bench, side) else {
        misused(format_args!("{} has no one side to run", scenario.name()));
    };
    spec.load.measured = cli.seconds * 1000;
    let mut pair = Pair::start(bench, server, client, spec)?;
    let [server, client] = pair.ids();
    println!(
        "{side} for {} s: server {server}, client {client}",
        cli.seconds
    );
    println!("{:#?}", pair.measure(Duration::ZERO)?);
    Ok(())
}
