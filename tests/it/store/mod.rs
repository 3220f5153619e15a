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
        what_a_flow_may_lack_stays_lacking
        a_taken_name_is_refused_and_its_flow_stays_as_it_is
        an_execution_starts_with_one_event_and_is_described_as_started
        starting_a_running_name_again_answers_the_first_one
        starting_the_name_of_an_ended_execution_is_refused
        names_differ_by_case_and_executions_by_flow
        whatever_is_missing_is_named;
    appends:
        what_an_event_leaves_out_it_gets_from_its_place
        what_an_event_brings_is_kept_byte_for_byte
        ids_follow_on_without_a_gap
        a_batch_is_as_large_as_the_limits_allow
        a_refused_batch_leaves_nothing
        an_event_that_another_event_of_its_batch_caused_fits
        an_expected_id_fits_at_the_end_only
        the_same_events_again_answer_the_same_ids
        a_repeat_matches_whatever_time_its_events_got
        other_events_at_a_taken_place_conflict
        an_overlap_half_way_conflicts
        an_ending_event_sets_status_time_and_output
        an_output_is_spelled_as_its_detail_spells_it
        a_detail_without_a_readable_output_gives_none
        nothing_follows_the_end_but_a_repeat_is_answered;
    upkeep:
        a_change_concerns_what_it_names_and_nothing_else
        an_empty_description_or_role_is_none_any_more
        an_execution_keeps_the_definition_and_environment_it_started_with
        a_deleted_flow_is_gone_with_all_it_had
        a_flow_that_takes_a_deleted_ones_name_has_nothing_of_it;
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
        a_report_is_for_the_very_flow_that_submitted
        of_many_reports_at_the_same_time_one_counts
        task_tokens_hold_as_long_as_the_database_lives
        subscription_is_notified_of_every_append
        subscription_ends_with_the_execution_or_the_flow;
    pages:
        page_has_limit_events_and_the_start_of_the_next
        a_page_beyond_the_end_is_empty
        a_page_that_ends_with_the_history_is_the_last
        a_read_sees_every_write_that_was_answered
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
        the_same_append_many_times_at_once_is_done_once
        many_executions_grow_at_the_same_time
        a_caller_that_goes_away_changes_nothing
        closing_finishes_what_was_asked_for
        closing_while_others_write_keeps_what_was_answered_and_nothing_else
        after_closing_every_call_is_unavailable;
}
