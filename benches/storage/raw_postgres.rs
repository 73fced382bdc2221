//! The same rows in the same group commit by tokio-postgres alone: prepared statements, all of a batch under way at
//! once, nothing checked.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use crate::load::{Position, Row, Sink, What};

type Value<'a> = &'a (dyn ToSql + Sync);

/// A connection of the yardstick's own, and one that looks at the server.
pub(crate) struct Raw {
    pub(crate) sink: Sink,
    observer: Client,
    runtime: Arc<Runtime>,
}

struct Statements {
    position: Statement,
    workflow: Statement,
    advance: Statement,
    event: Statement,
    usage: Statement,
}

/// `url` reaches the server, `raw` names the schema too.
pub(crate) fn open(url: &str, raw: &str, position: Position) -> Raw {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = Arc::new(runtime.expect("this machine has a thread to spare"));
    let schema = raw.split_once("schema=").expect("the schema was put there").1;
    let observer = connect(&runtime, url);
    let client = connect(&runtime, url);
    let (own, prepared) = (runtime.clone(), runtime.block_on(prepare(&client, schema)));
    let statements = prepared.expect("the server knows the tables");
    if position == Position::Moved {
        let sql = "INSERT INTO nodes (id, recorded, audit_first_seq, audit_first_prev, audit_last_seq, audit_last_hash) \
                   VALUES ('raw', 0, 1, '', 0, '')";
        runtime.block_on(client.batch_execute(sql)).expect("the table is empty");
    }
    let mut recorded = 0;
    let sink = Sink::gathering(move |batch| {
        let committed = commit(&client, &statements, batch, (position, recorded));
        own.block_on(committed).expect("the server takes the rows");
        recorded += 1;
    });
    Raw { sink, observer, runtime }
}

fn connect(runtime: &Runtime, url: &str) -> Client {
    let config: Config = url.parse().expect("--postgres takes a URL");
    let (client, connection) = runtime.block_on(config.connect(NoTls)).expect("the server is there");
    runtime.spawn(connection);
    client
}

async fn prepare(client: &Client, schema: &str) -> Result<Statements, Error> {
    client.batch_execute(&format!("SET search_path = {schema}; SET synchronous_commit = on")).await?;
    Ok(Statements {
        position: client
            .prepare("UPDATE nodes SET recorded = $1 WHERE id = 'raw' AND recorded = $2")
            .await?,
        workflow: client
            .prepare(
                "INSERT INTO workflows (id, goal, root, status, fence, last_seq, created_at, updated_at) \
                 VALUES ($1, '', '', '', 1, 0, 0, 0)",
            )
            .await?,
        advance: client
            .prepare(
                "UPDATE workflows SET last_seq = $1, updated_at = $2 WHERE id = $3 AND fence = 1 AND last_seq = $4",
            )
            .await?,
        event: client
            .prepare(
                "INSERT INTO workflow_events (workflow_id, seq, event_id, kind, payload, fence, at) \
                 VALUES ($1, $2, $3, $4, $5, 1, $6)",
            )
            .await?,
        usage: client
            .prepare(
                "INSERT INTO model_usage (at, call_key, workflow_id, role, provider, model, input, cached_input, \
                 cache_written, output, reasoning, cost_nanodollars, outcome, duration_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, 0, NULL, $7, $8) ON CONFLICT (call_key) DO NOTHING",
            )
            .await?,
    })
}

async fn commit(
    client: &Client,
    statements: &Statements,
    batch: &[Row],
    (position, recorded): (Position, i64),
) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    let moved = async {
        if position == Position::Moved {
            let place: [Value<'_>; 2] = [&(recorded + 1), &recorded];
            assert_eq!(client.execute(&statements.position, &place).await?, 1, "nobody else moves it");
        }
        Ok(())
    };
    let written = try_join_all(batch.iter().map(|row| write(client, statements, &row.what)));
    futures_util::future::try_join(moved, written).await?;
    client.batch_execute("COMMIT").await
}

async fn write(client: &Client, statements: &Statements, what: &What) -> Result<(), Error> {
    match what {
        What::Workflow(id) => client.execute(&statements.workflow, &[&id.as_str()]).await.map(drop),
        What::Event { workflow, after, event } => {
            let seq = after.cast_signed() + 1;
            let (id, before, event_id) = (workflow.as_str(), seq - 1, event.id.0.cast_signed());
            let place: [Value<'_>; 4] = [&seq, &event.at.0, &id, &before];
            let advance = client.execute(&statements.advance, &place);
            let values: [Value<'_>; 6] = [&id, &seq, &event_id, &event.kind, &event.payload, &event.at.0];
            let insert = client.execute(&statements.event, &values);
            let (advanced, inserted) = futures_util::future::try_join(advance, insert).await?;
            assert_eq!((advanced, inserted), (1, 1), "nobody else writes to it");
            Ok(())
        }
        What::Usage(row) => {
            let workflow = row.workflow.as_ref().map(|workflow| workflow.as_str());
            let (provider, model) = (row.deployment.provider.as_str(), row.deployment.model.as_str());
            let duration = row.duration_ms.cast_signed();
            let values: [Value<'_>; 8] =
                [&row.at.0, &row.call_key, &workflow, &row.role, &provider, &model, &row.outcome, &duration];
            client.execute(&statements.usage, &values).await.map(drop)
        }
    }
}

impl Raw {
    /// What the server is set to, for people.
    pub(crate) fn settings(&self) -> String {
        let names = ["server_version", "fsync", "synchronous_commit", "wal_sync_method", "full_page_writes"];
        let show = |name: &str| {
            let row = self.runtime.block_on(self.observer.query_one(&format!("SHOW {name}"), &[]));
            format!("{name} = {}", row.expect("the server knows it").get::<_, String>(0))
        };
        names.map(show).join(", ")
    }

    /// How often the server has synced its log.
    pub(crate) fn syncs(&self) -> u64 {
        let row = self.runtime.block_on(self.observer.query_one("SELECT wal_sync FROM pg_stat_wal", &[]));
        row.expect("the server counts them").get::<_, i64>(0).cast_unsigned()
    }

    /// Leaves the server as it was.
    pub(crate) fn drop_schemas(&self, urls: &[String]) {
        for url in urls {
            let schema = url.split_once("schema=").expect("the schema was put there").1;
            let sql = format!("DROP SCHEMA {schema} CASCADE");
            self.runtime.block_on(self.observer.batch_execute(&sql)).expect("the schema is there");
        }
    }
}
