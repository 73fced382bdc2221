//! How programs start and end, and what they find around them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use clock::Clock;
use process::{Command, End, Error, Mechanism, Runner, probe};

use crate::{command, is_namespaced, launcher, run, runners, sh};

#[tokio::test]
async fn tells_the_exit_code() {
    for (isolation, runner) in runners().await {
        for code in [0, 1, 125, 255] {
            let finished = run(&runner, &sh(&format!("exit {code}"))).await;
            assert_eq!(finished.end, End::Exited(code), "{isolation}");
            assert_eq!(finished.isolation, isolation);
        }
    }
}

#[tokio::test]
async fn tells_the_signal() {
    for (isolation, runner) in runners().await {
        for signal in [6, 9, 15] {
            let finished = run(&runner, &sh(&format!("kill -{signal} $$"))).await;
            assert_eq!(finished.end, End::Signalled(signal), "{isolation}");
        }
    }
}

#[tokio::test]
async fn a_missing_program_is_named_with_where_it_was_looked_for() {
    for (_, runner) in runners().await {
        let error = runner.run(&command("no-such-program", &[])).await.unwrap_err();
        assert!(matches!(&error, Error::ProgramMissing { searched: Some(_), .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("no-such-program") && text.contains("/usr/bin") && text.contains("install"),
            "{text}"
        );

        let error = runner.run(&command("/no/such/program", &[])).await.unwrap_err();
        assert!(matches!(&error, Error::ProgramMissing { searched: None, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_program_is_not_runnable() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    for (_, runner) in runners().await {
        let error = runner.run(&command(&plain, &[])).await.unwrap_err();
        assert!(matches!(error, Error::NotRunnable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (_, runner) in runners().await {
        for cwd in [&missing, &file] {
            let error = runner.run(&Command { cwd: cwd.clone(), ..sh("true") }).await.unwrap_err();
            assert!(matches!(&error, Error::FolderMissing { path, .. } if path == cwd), "{error}");
        }
    }
}

#[tokio::test]
async fn a_launcher_that_is_missing_or_relative_is_refused() {
    for launcher in ["/no/such/launcher", "relative"] {
        let error = Runner::new(launcher.into(), Clock::real()).run(&sh("true")).await.unwrap_err();
        assert!(matches!(&error, Error::Launcher { path, .. } if path.as_os_str() == launcher), "{error}");
    }
}

#[tokio::test]
async fn a_binary_that_does_not_know_its_role_runs_nothing() {
    let error = Runner::new("/bin/true".into(), Clock::real()).run(&sh("true")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_relative_program_counts_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\npwd\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (_, runner) in runners().await {
        let finished = run(&runner, &Command { cwd: folder.path().into(), ..command("./script", &[]) }).await;
        let expected = folder.path().canonicalize().unwrap();
        assert_eq!(finished.output.text.trim_end(), expected.to_str().unwrap());
    }
}

#[tokio::test]
async fn the_environment_holds_what_was_given_and_nothing_else() {
    for (isolation, runner) in runners().await {
        let env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("ODD".into(), "a=b c".into())];
        let finished = run(&runner, &Command { env, ..command("env", &[]) }).await;
        let mut lines: Vec<&str> = finished.output.text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["ODD=a=b c", "PATH=/usr/bin:/bin"], "{isolation}");
    }
}

#[tokio::test]
async fn arguments_arrive_byte_for_byte() {
    for (_, runner) in runners().await {
        let args = ["%s|", "a b", "", "--help", "__limited"].map(OsString::from);
        let odd = OsString::from_vec(vec![b'x', 0xff, b'y']);
        let args = args.into_iter().chain([odd]).collect();
        let finished = run(&runner, &Command { args, ..command("printf", &[]) }).await;
        assert_eq!(finished.output.text, "a b||--help|__limited|x\u{fffd}y|");
    }
}

#[tokio::test]
async fn input_is_empty_and_nothing_else_is_open() {
    for (isolation, runner) in runners().await {
        assert_eq!(run(&runner, &sh("cat; exit 4")).await.end, End::Exited(4), "{isolation}");
        // The fourth is the listing's own.
        let finished = run(&runner, &command("ls", &["/proc/self/fd"])).await;
        assert_eq!(finished.output.text, "0\n1\n2\n3\n", "{isolation}");
    }
}

#[tokio::test]
async fn no_signal_is_blocked_and_no_privilege_can_be_gained() {
    for (isolation, runner) in runners().await {
        let status = run(&runner, &command("cat", &["/proc/self/status"])).await.output.text;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        assert_eq!(field("SigBlk:"), "0000000000000000", "{isolation}");
        // The C library keeps signals 32 and 33 to itself, and ignores them in what it starts.
        let ignored = u64::from_str_radix(field("SigIgn:"), 16).unwrap();
        assert_eq!(ignored & !(3 << 31), 0, "{isolation}");
        assert_eq!(field("NoNewPrivs:"), "1", "{isolation}");
        assert_eq!(field("Seccomp:"), "2", "{isolation}");
    }
}

#[tokio::test]
async fn the_program_is_the_same_user_as_the_server() {
    let expected = format!("{} {}\n", nix::unistd::geteuid(), nix::unistd::getegid());
    for (isolation, runner) in runners().await {
        let finished = run(&runner, &sh("echo $(id -u) $(id -g)")).await;
        assert_eq!(finished.output.text, expected, "{isolation}");
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_said_and_not_replaced() {
    let found = probe(&launcher(), &Clock::real()).await;
    assert_eq!(found.tried.iter().map(|probed| probed.mechanism).collect::<Vec<_>>(), Mechanism::ALL);
    for probed in found.tried.iter().filter(|probed| probed.outcome.is_err()) {
        let runner = Runner::pinned(launcher(), Clock::real(), probed.mechanism);
        let error = runner.run(&sh("true")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Missing { mechanism, .. } if *mechanism == probed.mechanism),
            "{error}"
        );
        assert!(error.to_string().contains(probed.mechanism.remedy()));
    }
    let text = found.to_string();
    assert_eq!(text.lines().count(), Mechanism::ALL.len(), "{text}");
}

#[tokio::test]
async fn the_strongest_mechanism_is_chosen() {
    let strongest = probe(&launcher(), &Clock::real()).await.strongest();
    let finished = run(&Runner::new(launcher(), Clock::real()), &sh("true")).await;
    assert_eq!(Some(finished.isolation.mechanism), strongest);
}

#[tokio::test]
async fn sees_no_process_but_its_own() {
    let server = std::process::id();
    for (isolation, runner) in runners().await {
        if isolation.own_proc {
            let finished = run(&runner, &sh("ls -d /proc/[0-9]* | wc -l; cat /proc/1/cmdline")).await;
            let (count, first) = finished.output.text.split_once('\n').unwrap();
            assert!(count.trim().parse::<u32>().unwrap() <= 5, "{}", finished.output.text);
            assert!(first.contains("__limited"), "{first}");
        }
        if is_namespaced(isolation) {
            let finished = run(&runner, &sh(&format!("kill -0 {server}"))).await;
            assert_ne!(finished.end, End::Exited(0), "{isolation}");
        }
    }
}
