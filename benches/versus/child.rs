//! A child's end of the control pipes.

use std::io::{self, BufRead, Write};

use tokio::sync::mpsc;

use crate::{
    Result, client,
    message::{Command, Reply, Role, Spec},
    raw, scenario, server,
};

/// Commands from the parent, and answers to it.
#[derive(Debug)]
pub(crate) struct Control {
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Control {
    /// A thread of its own reads stdin, so that the process ends with its
    /// parent whatever the runtime is busy with.
    fn start() -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in io::stdin().lines() {
                let Ok(line) = line else { break };
                match serde_json::from_str(&line) {
                    Ok(command) => drop(sender.send(command)),
                    Err(error) => reply(&Reply::Failed(format!("bad command: {error}"))),
                }
            }
            std::process::exit(0);
        });
        Self { commands }
    }

    /// The next command. There is always one: the process ends with its stdin.
    pub(crate) async fn next(&mut self) -> Result<Command> {
        Ok(self.commands.recv().await.ok_or("stdin is gone")?)
    }

    /// The next command, for children without a runtime.
    pub(crate) fn next_blocking(&mut self) -> Result<Command> {
        Ok(self.commands.blocking_recv().ok_or("stdin is gone")?)
    }
}

/// Answers the parent.
pub(crate) fn reply(reply: &Reply) {
    let line = serde_json::to_string(reply).expect("replies have string keys only");
    let mut stdout = io::stdout().lock();
    // A parent that no longer listens has closed stdin too, which ends us.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Runs a child to its end, which the parent decides.
pub(crate) fn run(role: Role) -> Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let spec: Spec = serde_json::from_str(&line)?;
    let control = Control::start();
    let done = match role {
        Role::Server => block_on(server::run(control, spec)),
        Role::Client => block_on(client::run(control, spec)),
        Role::Holder => block_on(scenario::idle::hold(control, spec)),
        Role::Greeter => block_on(scenario::handshake::greet(control, spec)),
        Role::Reconnector => block_on(scenario::handshake::reconnect(control, spec)),
        Role::Hurrier => block_on(scenario::priority::hurry(control, spec)),
        Role::Downloader => block_on(scenario::window::download(control, spec)),
        Role::Dawdler => block_on(scenario::window::dawdle(control, spec)),
        Role::RawWriter => raw::write(control, &spec),
        Role::RawReader => raw::read(control, &spec),
    };
    if let Err(error) = &done {
        reply(&Reply::Failed(format!("{role:?}: {error}")));
    }
    done
}

fn block_on(child: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(child)
}
