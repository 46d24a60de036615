//! Example programs as child processes.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running program that says `listening SCHEME://ADDRESS` when it is ready. It
/// is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    complaints: mpsc::Receiver<String>,
    /// The address of its `listening` line.
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts the example `name`.
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(example(name))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let complaints = lines_of(child.stderr.take().unwrap());
        let mut running = Self {
            child,
            lines,
            complaints,
            address: ([0; 4], 0).into(),
        };
        running.address = running.address_after("listening ");
        running
    }

    /// The address of the next line that starts so.
    pub(crate) fn address_after(&self, start: &str) -> SocketAddr {
        let url = self.line(start);
        let address = url.split("://").nth(1).unwrap();
        address.split('/').next().unwrap().parse().unwrap()
    }

    /// The rest of the next line that starts so.
    pub(crate) fn line(&self, start: &str) -> String {
        let by = Instant::now() + PATIENCE;
        loop {
            let left = by.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| {
                panic!("the program never said {start:?}");
            });
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// The next line on standard error with this in it.
    #[allow(dead_code)]
    pub(crate) fn complaint(&self, part: &str) -> String {
        let by = Instant::now() + PATIENCE;
        loop {
            let left = by.saturating_duration_since(Instant::now());
            let line = self.complaints.recv_timeout(left).unwrap_or_else(|_| {
                panic!("the program never complained of {part:?}");
            });
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it ends, and returns its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        exit_code(&mut self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every line, as it comes.
fn lines_of(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The test may have seen enough; the pipe is still emptied.
            let _ = sender.send(line);
        }
    });
    lines
}

/// Runs an example that is expected to end by itself.
pub(crate) fn run(name: &str, args: &[&str]) -> Output {
    let mut child = Command::new(example(name))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    exit_code(&mut child);
    child.wait_with_output().unwrap()
}

/// Runs a program of another house with a bound on its time. `None` if it is
/// not installed here.
#[allow(dead_code)]
pub(crate) fn outside(program: &str, args: &[&str], input: Option<&Path>) -> Option<Output> {
    let stdin = match input {
        Some(file) => Stdio::from(fs::File::open(file).unwrap()),
        None => Stdio::null(),
    };
    let child = Command::new(program)
        .args(args)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{program}: {error}"),
    };
    // Read while it runs, or a full pipe would stop it.
    let mut pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let stdout = thread::spawn(move || {
        let mut octets = Vec::new();
        pipes.0.read_to_end(&mut octets).map(|_| octets)
    });
    let stderr = thread::spawn(move || {
        let mut octets = Vec::new();
        pipes.1.read_to_end(&mut octets).map(|_| octets)
    });
    exit_code(&mut child);
    Some(Output {
        status: child.wait().unwrap(),
        stdout: stdout.join().unwrap().unwrap(),
        stderr: stderr.join().unwrap().unwrap(),
    })
}

/// Waits a bounded time for the end of `child`, kills it after that, and fails.
fn exit_code(child: &mut Child) -> Option<i32> {
    let by = Instant::now() + 2 * PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > by {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The program of an example of this build. `cargo test` makes them all;
/// `cargo test --test ...` does not, so it may be missing or out of date.
fn example(name: &str) -> PathBuf {
    static READY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // Held while building: the other tests wait for it.
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);

    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(file);
    if ready.contains(name) {
        return program;
    }
    if !program.exists() || newest_source(name) > modified(&program) {
        build(name, profile);
    }
    ready.insert(name.to_owned());
    program
}

fn build(name: &str, profile: &Path) {
    let flag = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--example", name, "--profile", flag])
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .status();
    assert!(status.unwrap().success(), "cannot build the example {name}");
}

fn newest_source(example: &str) -> SystemTime {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("examples/{example}.rs");
    let folder = format!("examples/{example}");
    ["src", "Cargo.toml", &file, &folder]
        .iter()
        .map(|part| root.join(part))
        .filter(|part| part.exists())
        .map(|part| modified(&part))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When a file, or the newest file in a folder, was last written.
fn modified(path: &Path) -> SystemTime {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries
            .map(|entry| modified(&entry.unwrap().path()))
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH);
    }
    fs::metadata(path).unwrap().modified().unwrap()
}
