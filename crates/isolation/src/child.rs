//! The side of the child: giving up what it does not need, then doing one piece of work.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::frame::{self, Frame};

/// Exit code of a child whose limits could not be set: it read nothing.
pub(crate) const NOT_CONFINED: u8 = 70;
/// Exit code of a child whose work panicked.
pub(crate) const PANICKED: u8 = 71;
/// Stack of the thread that works: parsers that recurse get a fair depth, and no more.
const STACK: usize = 64 << 20;
/// Address space that the program itself takes: its code, stacks, and the allocator's reserve.
const OVERHEAD: u64 = 192 << 20;
/// Progress is told this often at most.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// What a child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds of processor time in all.
    pub cpu: u64,
    /// Seconds of processor time without a step of progress.
    pub stall: u64,
    /// Bytes of input.
    pub input: u64,
    /// Goes on where the kernel filters no system calls: memory and time are bounded all the same.
    pub unfiltered: bool,
}

/// A limit that could not be set.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("the limit of {what} cannot be set: {cause}")]
    Limit { what: &'static str, cause: io::Error },
    #[error("system calls cannot be filtered: {0}")]
    Filter(String),
}

fn bound(what: &'static str, resource: Resource, soft: u64, hard: u64) -> Result<(), SetUpError> {
    let now = getrlimit(resource);
    // A limit that is lower already stays.
    let hard = now.maximum.map_or(hard, |most| most.min(hard));
    let limit = Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) };
    setrlimit(resource, limit).map_err(|cause| SetUpError::Limit { what, cause: cause.into() })
}

fn bound_all(allowance: &Allowance) -> Result<(), SetUpError> {
    let memory = allowance.memory.saturating_add(OVERHEAD);
    bound("memory", Resource::As, memory, memory)?;
    bound("processor time", Resource::Cpu, allowance.stall, allowance.cpu)?;
    bound("file size", Resource::Fsize, 0, 0)?;
    bound("core dumps", Resource::Core, 0, 0)?;
    bound("open files", Resource::Nofile, 16, 16)
}

/// Leaves a process only what parsing in memory takes: no files, no network, no other programs.
#[cfg(target_os = "linux")]
fn filter() -> Result<(), SetUpError> {
    use std::collections::BTreeMap;

    use seccompiler::{SeccompAction, SeccompFilter};
    let allowed = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_prlimit64,
        libc::SYS_read,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
        libc::SYS_write,
    ];
    let rules: BTreeMap<_, _> = allowed.into_iter().map(|call| (call, Vec::new())).collect();
    let failed = |cause: String| SetUpError::Filter(cause);
    // An error instead of a kill: a library that asks for what is not there goes on without it.
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let target = std::env::consts::ARCH.try_into().map_err(|e| failed(format!("{e}")))?;
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, target)
        .map_err(|e| failed(e.to_string()))?;
    let program: seccompiler::BpfProgram =
        filter.try_into().map_err(|e: seccompiler::BackendError| failed(e.to_string()))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| failed(e.to_string()))
}

#[cfg(not(target_os = "linux"))]
fn filter() -> Result<(), SetUpError> {
    Err(SetUpError::Filter("this system has no filter of system calls".to_owned()))
}

/// Tells the parent that the work goes on.
pub struct Reporter {
    stall: u64,
    told: Instant,
}

impl Reporter {
    /// A reporter without a parent, for the same work within this process.
    pub fn silent() -> Self {
        Self { stall: 0, told: Instant::now() }
    }

    /// One more step is done, such as a page: the time for the next begins anew.
    pub fn step(&mut self) {
        if self.stall == 0 || self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let used = u64::try_from(used.tv_sec).unwrap_or(0);
        let hard = getrlimit(Resource::Cpu).maximum;
        let next = used + 1 + self.stall;
        let limit = Rlimit { current: Some(hard.map_or(next, |h| next.min(h))), maximum: hard };
        // Where it cannot be raised, the old limit ends the work: nothing is unbounded.
        let _ = setrlimit(Resource::Cpu, limit);
        if frame::write(&mut io::stdout().lock(), &Frame::Progress).is_err() {
            // Nobody waits any more.
            std::process::exit(0);
        }
    }
}

/// Does one piece of work as a child: sets the limits, reads the input from standard input, works, and writes the
/// answer to standard output.
///
/// `work` gets the input and gives the bytes of the answer.
pub fn serve<F>(allowance: Allowance, work: F) -> ExitCode
where
    F: FnOnce(Vec<u8>, &mut Reporter) -> Vec<u8> + Send + 'static,
{
    if let Err(cause) = bound_all(&allowance) {
        return not_confined(&cause);
    }
    let mut input = Vec::new();
    if io::stdin().lock().take(allowance.input).read_to_end(&mut input).is_err() {
        return ExitCode::from(PANICKED);
    }
    // The parent reads why a child died from its last words.
    std::panic::set_hook(Box::new(|_| {}));
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        if let Err(cause) = filter()
            && !allowance.unfiltered
        {
            return Err(cause);
        }
        let mut reporter = Reporter { stall: allowance.stall, told: Instant::now() };
        Ok(work(input, &mut reporter))
    });
    let Ok(thread) = thread else { return ExitCode::from(NOT_CONFINED) };
    match thread.join() {
        Ok(Ok(answer)) => match frame::write(&mut io::stdout().lock(), &Frame::Answer(answer)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(PANICKED),
        },
        Ok(Err(cause)) => not_confined(&cause),
        Err(_) => ExitCode::from(PANICKED),
    }
}

fn not_confined(cause: &SetUpError) -> ExitCode {
    let _ = writeln!(io::stderr(), "{cause}");
    ExitCode::from(NOT_CONFINED)
}

/// The work of a child that only proves that its limits hold: it tries to open a file and to make a socket.
pub fn probe(_: Vec<u8>, _: &mut Reporter) -> Vec<u8> {
    let mut open = Vec::new();
    if std::fs::File::open("/etc/hostname").is_ok() || std::fs::read_dir("/").is_ok() {
        open.push("files");
    }
    if std::net::UdpSocket::bind("127.0.0.1:0").is_ok() {
        open.push("network");
    }
    open.join(",").into_bytes()
}
