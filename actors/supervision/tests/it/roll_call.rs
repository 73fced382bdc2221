//! Every thread answers, or the call does not end: what a watch over the whole process is built on.

use clock::Clock;
use futures_util::FutureExt;
use supervision::{Heartbeat, Pool, Tree};

use crate::bodies::patient;
use crate::puppet::{Script, group};
use crate::stuck::hold_thread;

#[actix_rt::test]
async fn all_answer_only_once_the_last_of_them_does() {
    let clock = Clock::real();
    let (child, blocker) = Script::new("blocker", &clock).build();
    let heartbeat = Heartbeat { clock: Clock::manual(), ..Heartbeat::default() };
    let pool = Pool { threads: 2, heartbeat };
    let tree = Tree::start(group("root", patient(), vec![child]), clock.clone(), pool).await.unwrap();
    let threads = tree.roll_call();
    threads.all_answer().await;

    let release = hold_thread(&blocker).await;
    let mut call = Box::pin(threads.all_answer());
    // The others have every chance to answer meanwhile.
    for _ in 0..64 {
        tree.root().count_children().await.unwrap();
        assert!((&mut call).now_or_never().is_none(), "a thread that is held has answered");
    }
    drop(release);
    call.await;
    tree.stop().await;
}
