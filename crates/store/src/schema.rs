//! The tables as Diesel sees them, written by hand; a test holds them against the migrated database.

diesel::table! {
    workflows (id) {
        id -> Text,
        goal -> Text,
        root -> Text,
        status -> Text,
        fence -> BigInt,
        last_seq -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        outcome -> Nullable<Text>,
        projected_seq -> BigInt,
        bytes -> BigInt,
    }
}

diesel::table! {
    workflow_events (workflow_id, seq) {
        workflow_id -> Text,
        seq -> BigInt,
        event_id -> BigInt,
        kind -> Text,
        payload -> Text,
        fence -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    model_usage (id) {
        id -> BigInt,
        at -> BigInt,
        call_key -> Text,
        workflow_id -> Nullable<Text>,
        role -> Text,
        provider -> Text,
        model -> Text,
        input -> BigInt,
        cached_input -> BigInt,
        cache_written -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        cost_nanodollars -> Nullable<BigInt>,
        outcome -> Text,
        duration_ms -> BigInt,
        principal -> Nullable<Text>,
        tags -> Nullable<Text>,
        payer -> Nullable<Text>,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        recorded -> BigInt,
        audit_first_seq -> BigInt,
        audit_first_prev -> Text,
        audit_last_seq -> BigInt,
        audit_last_hash -> Text,
    }
}

diesel::table! {
    audit_log (node, seq) {
        node -> Text,
        seq -> BigInt,
        at -> BigInt,
        who -> Text,
        action -> Text,
        subject -> Text,
        outcome -> Text,
        detail -> Nullable<Text>,
        times -> BigInt,
        prev_hash -> Text,
        hash -> Text,
    }
}

diesel::table! {
    requests (id) {
        id -> BigInt,
        at -> BigInt,
        node -> Text,
        request_id -> Text,
        principal -> Text,
        door -> Text,
        method -> Text,
        route -> Text,
        status -> BigInt,
        duration_ms -> BigInt,
        bytes_in -> Nullable<BigInt>,
        bytes_out -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        name -> Text,
        digest -> Text,
        scopes -> Text,
        models -> Text,
        roots -> Text,
        tags -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        rotated_from -> Nullable<Text>,
    }
}

diesel::table! {
    agents (workflow_id, step) {
        workflow_id -> Text,
        step -> Text,
        role -> Text,
        attempt -> BigInt,
        template -> Nullable<Text>,
        version -> Nullable<Text>,
        provider -> Nullable<Text>,
        model -> Nullable<Text>,
        calls -> BigInt,
        failures -> BigInt,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    tasks (workflow_id, task_id) {
        workflow_id -> Text,
        task_id -> Text,
        place -> BigInt,
        title -> Text,
        in_group -> BigInt,
        status -> Text,
        attempt -> BigInt,
        depends_on -> Text,
        reads -> Text,
        writes -> Text,
    }
}

diesel::table! {
    prompts (name, version) {
        name -> Text,
        version -> Text,
        number -> BigInt,
        description -> Text,
        system_text -> Text,
        user_text -> Text,
        first_at -> BigInt,
    }
}

diesel::table! {
    model_metrics (hour, provider, model, run) {
        hour -> BigInt,
        provider -> Text,
        model -> Text,
        run -> BigInt,
        calls -> BigInt,
        answered -> BigInt,
        interrupted -> BigInt,
        cancelled -> BigInt,
        failed_caller -> BigInt,
        failed_policy -> BigInt,
        failed_provider -> BigInt,
        failed_own -> BigInt,
        input -> BigInt,
        cached_input -> BigInt,
        cache_written -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        cost_nanodollars -> BigInt,
        unpriced -> BigInt,
        latency -> Text,
        first_output -> Text,
    }
}

diesel::table! {
    responses (id) {
        id -> Text,
        owner -> Text,
        at -> BigInt,
        weight -> BigInt,
        deployment -> Text,
        given -> Text,
        answer -> Text,
    }
}

#[cfg(test)]
mod tests;
