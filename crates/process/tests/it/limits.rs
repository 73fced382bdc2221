//! Resource limits are in force.

use std::time::Duration;

use process::{Command, End, Limits};

use crate::{act, run, runners, sh};

fn limited(limits: Limits, command: Command) -> Command {
    Command { limits, ..command }
}

#[tokio::test]
async fn a_file_grows_to_its_limit_and_no_further() {
    let folder = tempfile::tempdir().unwrap();
    for (isolation, runner) in runners().await {
        let path = folder.path().join("grows");
        let limits = Limits { file_size_bytes: 100_000, ..Limits::default() };
        let finished = run(&runner, &limited(limits, act(&["writes", path.to_str().unwrap()]))).await;
        let refused = nix::errno::Errno::EFBIG as i32;
        assert_eq!(finished.output.text, format!("100000 bytes, then {refused}\n"), "{isolation}");
    }
}

#[tokio::test]
async fn the_kernel_holds_the_limits_that_were_asked_for() {
    for (isolation, runner) in runners().await {
        let limits = Limits {
            cpu: Duration::from_millis(6500),
            open_files: 40,
            memory_bytes: Some(1 << 30),
            file_size_bytes: 1 << 20,
            ..Limits::default()
        };
        let script = "ulimit -t; ulimit -n; ulimit -c; ulimit -v; ulimit -Hn; ulimit -n 41 2>/dev/null; ulimit -n; umask";
        let finished = run(&runner, &limited(limits, sh(script))).await;
        // More open files than the hard limit: refused, and in some shells the end of the script.
        let text = finished.output.text;
        assert!(text.starts_with("7\n40\n0\n1048576\n40\n"), "{isolation}: {text}");
        assert!(!text.contains("41"), "{isolation}: {text}");
    }
}

#[tokio::test]
async fn opens_no_more_files_than_allowed() {
    for (isolation, runner) in runners().await {
        let limits = Limits { open_files: 8, ..Limits::default() };
        let script = "exec 3</dev/null 4</dev/null 5</dev/null && echo few; \
                      (exec 6</dev/null 7</dev/null 8</dev/null && echo plenty)";
        let finished = run(&runner, &limited(limits, sh(script))).await;
        assert!(finished.output.text.starts_with("few\n"), "{isolation}: {}", finished.output.text);
        assert!(!finished.output.text.contains("plenty"), "{isolation}: {}", finished.output.text);
    }
}

#[tokio::test]
async fn an_endless_loop_is_ended_by_its_cpu_time() {
    for (isolation, runner) in runners().await {
        let limits = Limits { cpu: Duration::from_secs(1), ..Limits::default() };
        let finished = run(&runner, &limited(limits, sh("while :; do :; done"))).await;
        // The soft and the hard limit come in the same second.
        assert!(matches!(finished.end, End::Signalled(9 | 24)), "{isolation}: {}", finished.end);
    }
}

#[tokio::test]
async fn starts_no_more_processes_than_allowed() {
    for (isolation, runner) in runners().await {
        let limits = Limits { processes: 12, ..Limits::default() };
        let script = "i=0; while [ $i -lt 400 ]; do sleep 1000 & i=$((i+1)); done; echo all";
        let finished = run(&runner, &limited(limits, sh(script))).await;
        assert_eq!(
            finished.output.text.contains("all"),
            !isolation.process_limit,
            "{}",
            finished.output.text
        );
    }
}
