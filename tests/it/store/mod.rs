//! The store suite: what the contract of `Store` promises, checked on every backend. A check gets a database
//! where no store has been yet; what only SQLite can get wrong is in `sqlite`.

mod appends;
mod flows;
mod lists;
mod nonces;
mod pages;
pub mod sqlite;
pub mod tasks;
mod together;
pub mod upkeep;

/// Makes each check a test on each backend. A check that is missing here is reported as dead code.
macro_rules! suite {
    ($($file:ident: $($check:ident)+;)+) => {
        mod on_sqlite {
            $(mod $file {
                $(#[tokio::test]
                async fn $check() {
                    let database = crate::support::test_store::TestDatabase::sqlite();
                    crate::store::$file::$check(database).await;
                })+
            })+
        }
    };
}

suite! {
    flows:
        a_flow_is_described_as_it_was_created
        optional_fields_of_a_flow_stay_absent
        create_flow_refuses_a_taken_name
        an_execution_starts_with_one_event_and_is_described_as_started
        starting_a_running_execution_again_is_idempotent
        starting_the_name_of_an_ended_execution_is_refused
        names_differ_by_case_and_executions_by_flow
        refusal_names_what_does_not_exist;
    appends:
        append_fills_in_missing_fields
        append_keeps_given_fields_byte_for_byte
        event_ids_are_consecutive
        batch_of_the_greatest_size_is_appended
        refused_batch_writes_nothing
        schedule_event_id_may_name_an_event_of_the_same_batch
        append_with_wrong_expected_event_id_returns_conflict
        retry_with_expected_event_id_is_idempotent
        retry_matches_events_that_got_a_default_time
        different_events_at_a_taken_event_id_return_conflict
        partial_overlap_returns_conflict
        an_ending_event_sets_status_time_and_output
        an_output_is_spelled_as_its_detail_spells_it
        a_detail_without_a_readable_output_gives_none
        finished_execution_takes_retries_but_no_new_events;
    upkeep:
        update_flow_changes_only_the_given_fields
        empty_text_removes_description_or_role
        an_execution_keeps_the_definition_and_environment_it_started_with
        deleted_flow_is_not_found_nor_its_executions
        new_flow_with_the_name_of_a_deleted_one_is_empty;
    lists:
        flows_are_listed_by_name_each_once
        flows_are_listed_as_they_are_described
        hidden_flows_are_passed_over_whatever_their_number
        list_page_counts_the_bytes_of_every_text
        executions_are_listed_newest_first_each_once
        executions_are_listed_as_they_are_described
        executions_are_chosen_by_status_time_and_prefix
        a_list_of_nothing_is_empty_and_of_no_flow_refused;
    tasks:
        a_stop_is_an_event_that_ends_the_execution
        a_reported_task_ends_once
        a_task_that_its_engine_ended_cannot_be_reported
        report_is_refused_for_another_flow_id_or_task
        one_of_many_parallel_reports_succeeds
        task_key_survives_a_restart
        subscription_is_notified_of_every_append
        subscription_ends_with_the_execution_or_the_flow;
    pages:
        page_has_limit_events_and_the_start_of_the_next
        a_page_beyond_the_end_is_empty
        a_page_that_ends_with_the_history_is_the_last
        read_sees_every_acknowledged_write
        filtered_page_stops_at_its_byte_limit
        backward_page_of_the_largest_events_is_complete
        backward_page_leaves_out_events_appended_while_it_is_read
        acknowledged_events_survive_a_restart;
    nonces:
        nonce_serves_one_write_of_any_kind
        refused_write_has_used_its_nonce
        nonce_stays_used_after_a_restart
        write_with_a_used_nonce_changes_nothing
        one_of_many_parallel_writes_with_one_nonce_is_done
        forgotten_nonce_is_refused_by_its_signed_time;
    together:
        many_appenders_on_one_execution_get_every_event_in_once
        parallel_retries_append_once
        many_executions_grow_at_the_same_time
        cancelled_request_does_not_cancel_its_write
        close_finishes_queued_requests
        close_during_writes_keeps_exactly_the_acknowledged_events
        calls_after_close_return_unavailable;
}
