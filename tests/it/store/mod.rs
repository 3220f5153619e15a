//! The contract of `Store`, tested on every backend. Each test gets a new, empty database. Tests of one backend's
//! internals are in a module of that backend (`sqlite`).

mod activity;
mod appends;
mod concurrency;
mod flows;
mod lists;
mod nonces;
mod pages;
mod postgres;
pub mod sqlite;
mod starts;
pub mod tasks;
pub mod upkeep;

use crate::support::backend::on_each_backend;

on_each_backend! {
    |backend| backend.database().await =>
    flows:
        describe_flow_returns_the_flow_as_created
        optional_fields_of_a_flow_stay_absent
        create_flow_refuses_a_taken_name
        started_execution_has_one_event_and_is_described_as_started
        starting_a_running_execution_again_is_idempotent
        starting_an_execution_with_the_name_of_an_ended_one_is_refused
        names_are_case_sensitive_and_execution_names_belong_to_a_flow
        refusal_says_whether_flow_or_execution_is_missing;
    appends:
        append_fills_in_missing_fields
        append_keeps_given_fields_byte_for_byte
        event_ids_are_consecutive
        batch_of_maximum_size_is_appended
        refused_batch_writes_nothing
        schedule_event_id_may_name_an_event_of_the_same_batch
        append_with_wrong_expected_event_id_returns_conflict
        retry_with_expected_event_id_is_idempotent
        retry_matches_events_that_got_a_default_time
        different_events_at_a_taken_event_id_return_conflict
        partial_overlap_returns_conflict
        ending_event_sets_status_stop_time_and_output
        output_is_copied_byte_for_byte_from_the_event_detail
        event_detail_without_a_valid_output_gives_no_output
        finished_execution_accepts_retries_but_no_new_events;
    starts:
        append_of_event_1_starts_an_execution_that_does_not_exist
        append_of_event_1_to_an_execution_that_exists_is_a_retry_or_a_conflict
        appends_of_one_group_may_start_an_execution_and_continue_it
        started_execution_has_the_input_of_its_first_event;
    upkeep:
        update_flow_changes_only_the_given_fields
        empty_text_removes_description_or_role
        execution_keeps_the_definition_and_environment_it_started_with
        deleted_flow_and_its_executions_are_not_found
        new_flow_with_the_name_of_a_deleted_one_is_empty;
    activity:
        flows_are_ordered_by_name_last_start_and_last_failure
        every_flow_counts_for_the_order_and_not_only_those_of_a_page
        hidden_and_deleted_flows_are_not_in_the_activity;
    lists:
        list_flows_returns_each_flow_once_in_name_order
        flows_are_listed_as_they_are_described
        list_flows_skips_any_number_of_hidden_flows
        list_page_counts_the_bytes_of_every_text
        list_executions_returns_each_execution_once_newest_first
        executions_are_listed_as_they_are_described
        executions_are_filtered_by_status_time_and_prefix
        list_without_matches_is_empty_and_list_of_a_missing_flow_is_refused;
    tasks:
        stop_execution_appends_an_event_that_ends_the_execution
        task_can_be_reported_once
        task_that_its_engine_ended_cannot_be_reported
        report_is_refused_for_another_flow_id_or_task
        one_of_many_parallel_reports_succeeds
        task_key_survives_a_restart
        subscription_is_notified_of_every_append
        subscription_ends_with_the_execution_or_the_flow;
    pages:
        page_has_limit_events_and_the_event_id_of_the_next_page
        page_beyond_the_end_is_empty
        page_that_ends_with_the_last_event_has_no_next_page
        read_sees_every_acknowledged_write
        filtered_page_stops_at_its_byte_limit
        backward_page_of_the_largest_events_is_complete
        backward_page_leaves_out_events_appended_while_it_is_read
        acknowledged_events_survive_a_restart;
    nonces:
        nonce_is_accepted_for_one_write_of_any_kind
        refused_write_uses_its_nonce
        nonce_stays_used_after_a_restart
        write_with_a_used_nonce_changes_nothing
        one_of_many_parallel_writes_with_the_same_nonce_succeeds
        forgotten_nonce_is_refused_by_its_signed_time;
    concurrency:
        concurrent_appends_to_one_execution_store_every_event_once
        parallel_retries_append_once
        concurrent_appends_to_many_executions_keep_their_order
        cancelled_request_does_not_cancel_its_write
        close_finishes_queued_requests
        close_during_writes_keeps_exactly_the_acknowledged_events
        calls_after_close_return_unavailable;
}
