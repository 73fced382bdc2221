//! Network off is off: nothing outside is reached, and the own loopback works where there is one.

use std::net::TcpListener;

use process::{Command, End, Network};

use crate::{act, is_namespaced, run, runners, sh};

#[tokio::test]
async fn does_not_reach_a_listener_of_the_machine() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (isolation, runner) in runners().await {
        let connect = act(&["connect", &address]);
        let finished = run(&runner, &connect).await;
        assert_eq!(finished.end, End::Exited(1), "{isolation}: {}", finished.output.text);

        let finished = run(&runner, &Command { network: Network::Host, ..connect }).await;
        assert_eq!(finished.end, End::Exited(0), "{isolation}: {}", finished.output.text);
        assert_eq!(finished.isolation.network, process::NetworkView::Host);
    }
}

#[tokio::test]
async fn has_a_loopback_of_its_own_within_namespaces() {
    for (isolation, runner) in runners().await {
        let finished = run(&runner, &act(&["loopback"])).await;
        let expected = if is_namespaced(isolation) { End::Exited(0) } else { End::Exited(1) };
        assert_eq!(finished.end, expected, "{isolation}: {}", finished.output.text);
    }
}

#[tokio::test]
async fn makes_no_socket_that_leaves_the_machine() {
    for (isolation, runner) in runners().await {
        let text = run(&runner, &act(&["families"])).await.output.text;
        let refused = format!("{}", nix::errno::Errno::EPERM as i32);
        let inet = if is_namespaced(isolation) { "yes" } else { &refused };
        let expected = format!(
            "unix: {inet}\ninet: {inet}\ninet6: {inet}\nnetlink: {inet}\npacket: {refused}\nvsock: {refused}\n"
        );
        // A machine without IPv6 refuses its sockets by itself.
        let text = text.replace("inet6: 97\n", &format!("inet6: {inet}\n"));
        assert_eq!(text, expected, "{isolation}");
    }
}

#[tokio::test]
async fn cannot_undo_what_keeps_it_apart() {
    for (isolation, runner) in runners().await {
        if is_namespaced(isolation) {
            let undo = "umount /proc && echo undone; mount -t tmpfs none /tmp && echo undone; \
                        nsenter --net=/proc/1/ns/net true && echo undone; \
                        unshare --mount umount /proc && echo undone; \
                        unshare --map-root-user --mount umount /proc && echo undone; exit 0";
            let finished = run(&runner, &sh(undo)).await;
            assert!(!finished.output.text.contains("undone"), "{isolation}: {}", finished.output.text);
        }
    }
}
