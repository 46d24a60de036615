//! The parent's end of a child process.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{self, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Instant,
};

use clap::ValueEnum;

use crate::{
    Result,
    message::{Command, Reply, Role, Spec},
};

/// A child process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    role: Role,
    process: process::Child,
    stdin: ChildStdin,
    replies: Receiver<Reply>,
    /// No answer may come later than this.
    deadline: Instant,
}

impl Child {
    pub(crate) fn start(
        role: Role,
        core: Option<usize>,
        spec: &Spec,
        deadline: Instant,
    ) -> Result<Self> {
        let this = env::current_exe()?;
        let mut command = match core {
            Some(core) => {
                let mut taskset = process::Command::new("taskset");
                taskset.arg("-c").arg(core.to_string()).arg(this);
                taskset
            }
            None => process::Command::new(this),
        };
        let role_name = role.to_possible_value().ok_or("a role without a name")?;
        command.args(["--role", role_name.get_name()]);
        // glibc's own thresholds go by what was freed before, and memory that goes
        // back to the system costs page faults: a tenth of the time, or nothing, by
        // chance. So both sides have fixed ones.
        command.env("MALLOC_TRIM_THRESHOLD_", "67108864");
        command.env("MALLOC_MMAP_THRESHOLD_", "33554432");
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().ok_or("no stdin")?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let (sender, replies) = mpsc::channel();
        // Pipes have no read with a time limit; a channel has.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                let reply = serde_json::from_str(&line)
                    .unwrap_or_else(|error| Reply::Failed(format!("{error}: {line}")));
                if sender.send(reply).is_err() {
                    break;
                }
            }
        });
        let mut child = Self {
            role,
            process,
            stdin,
            replies,
            deadline,
        };
        child.send(&serde_json::to_string(spec)?)?;
        Ok(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Reply> {
        self.tell(command)?;
        self.reply()
    }

    /// Sends a command whose answer is for later.
    pub(crate) fn tell(&mut self, command: Command) -> Result<()> {
        self.send(&serde_json::to_string(&command)?)
    }

    /// Waits for the next answer.
    pub(crate) fn reply(&mut self) -> Result<Reply> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.replies.recv_timeout(left) {
            Ok(Reply::Failed(why)) => Err(why.into()),
            Ok(reply) => Ok(reply),
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "{:?} did not answer before the round's time was up",
                self.role
            )
            .into()),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("{:?} ended: {}", self.role, self.process.wait()?).into())
            }
        }
    }

    fn send(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}")?;
        Ok(self.stdin.flush()?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Either may fail because it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
