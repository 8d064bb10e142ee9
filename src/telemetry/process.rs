//! What the kernel says of this process, for metrics.

use std::fs;

/// Clock ticks of /proc in a second: Linux tells user space 100 on every machine.
const TICKS: f64 = 100.0;

/// Figures of now. What cannot be read is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    pub cpu_seconds: Option<f64>,
    /// Since 1970.
    pub start_seconds: Option<f64>,
    pub resident_octets: Option<u64>,
    pub virtual_octets: Option<u64>,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    pub max_files: Option<u64>,
}

impl Process {
    pub fn read() -> Process {
        let mut process = Process::default();
        if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
            process.take_stat(&stat, boot());
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            process.resident_octets = kib(&status, "VmRSS:");
            process.virtual_octets = kib(&status, "VmSize:");
        }
        process.open_files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        process.max_files = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
            let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
            line.split_whitespace().next()?.parse().ok()
        });
        process
    }

    fn take_stat(&mut self, stat: &str, boot: Option<f64>) {
        // The name stands in brackets, and may hold anything.
        let Some((_, rest)) = stat.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5) numbers fields from 1; the first behind the name is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        self.cpu_seconds = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS);
        self.threads = field(20).map(|threads| threads as u64);
        self.start_seconds = boot.zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS);
    }
}

/// When the machine started, in seconds since 1970.
fn boot() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let now = Process::read();
        assert!(now.resident_octets.is_some_and(|n| n > 1 << 20), "{now:?}");
        assert!(now.virtual_octets >= now.resident_octets, "{now:?}");
        assert!(now.threads.is_some_and(|n| n >= 1) && now.open_files.is_some(), "{now:?}");
        assert!(now.start_seconds.is_some_and(|n| n > 1e9) && now.cpu_seconds.is_some(), "{now:?}");
        assert!(now.max_files >= now.open_files, "{now:?}");
        let mut odd = Process::default();
        let stat = "1 (a) b) c) S 0 0 0 0 0 0 0 0 0 0 250 50 0 0 0 0 7 0 1000";
        odd.take_stat(stat, Some(5.0));
        let read = (odd.cpu_seconds, odd.threads, odd.start_seconds);
        assert_eq!(read, (Some(3.0), Some(7), Some(15.0)));
        odd = Process::default();
        odd.take_stat("nonsense", None);
        assert_eq!(odd, Process::default());
    }
}
