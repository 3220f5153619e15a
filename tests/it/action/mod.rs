//! One file per action; each test name states a behaviour.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod list_executions;
mod list_flows;
mod list_schedules;
mod report_task_failed;
mod report_task_succeeded;
mod start_execution;
mod stop_execution;
mod update_flow;

use self::append_execution_events::starts;
use crate::support::backend::on_each_backend;

on_each_backend! {
    |backend| backend =>
    append_execution_events:
        appended_events_get_the_next_ids_and_defaults
        retried_append_at_the_expected_event_id_returns_the_same_ids
        append_with_wrong_expected_event_id_returns_conflict
        event_id_inside_an_event_implies_the_expected_event_id
        append_to_an_ended_execution_is_refused
        execution_started_must_be_event_1_and_an_ending_event_the_last
        schedule_event_id_must_be_smaller_than_the_event_id
        text_is_stored_byte_for_byte_however_it_was_escaped
        json_body_may_hold_the_events_as_an_array
        invalid_event_refuses_the_whole_batch_and_is_named_by_its_index
        invalid_expected_event_ids_and_names_are_refused;
    starts:
        history_of_long_ago_is_brought_in_with_its_own_times
        history_is_copied_in_batches
        only_event_1_of_type_execution_started_starts_an_execution;
    create_flow:
        created_flow_is_answered_with_all_parameters
        unset_fields_are_left_out_and_an_empty_description_is_kept
        type_is_kept_as_it_was_sent
        creating_a_flow_of_an_existing_name_is_refused
        invalid_arguments_are_refused_by_name_and_nothing_is_written
        missing_parameter_is_named;
    delete_flow:
        deleted_flow_its_executions_and_events_cannot_be_read
        new_flow_of_a_deleted_name_has_no_executions
        invalid_and_missing_names_are_refused;
    describe_execution:
        output_and_stop_time_of_a_running_execution_are_empty
        each_ending_event_sets_status_stop_time_and_output
        engine_whose_clock_is_behind_does_not_stop_before_the_start
        end_without_a_time_is_at_the_servers_time_although_earlier_events_are_old
        end_without_output_answers_an_empty_output
        stop_time_is_never_before_the_start_time
        missing_flow_and_missing_execution_are_404_with_codes_of_their_own
        long_poll_is_answered_as_soon_as_the_execution_ends
        long_poll_times_out_and_an_ended_execution_is_answered_at_once
        wait_time_is_0_to_60_seconds
        five_hundred_long_polls_are_all_answered_when_the_execution_ends
        shutdown_ends_all_long_polls
        execution_keeps_the_environment_it_started_with
        long_poll_ends_when_the_flow_is_deleted;
    describe_flow:
        describe_flow_answers_what_create_flow_answered
        missing_flow_is_404_and_named
        version_of_a_flow_is_refused
        invalid_and_missing_name_are_refused;
    get_execution_history:
        event_is_answered_with_every_field_in_the_vendors_form
        page_has_60_events_unless_a_limit_is_given
        next_token_is_the_event_id_with_which_the_next_page_begins
        page_that_ends_with_the_last_event_has_no_token
        token_beyond_the_end_answers_no_events_and_no_token
        page_of_a_thousand_events_spans_several_batches
        empty_optional_value_counts_as_absent
        post_works_and_unknown_parameters_are_ignored
        invalid_arguments_are_refused_by_name
        missing_parameter_is_named
        missing_flow_and_missing_execution_are_404_with_codes_of_their_own
        reverse_answers_the_newest_events_first
        filtered_pages_are_complete_in_both_directions
        long_poll_beyond_the_end_is_answered_by_the_next_event
        reverse_pages_of_large_events_have_no_gap
        invalid_extension_parameters_are_refused_by_name
        filter_of_more_types_or_letters_than_an_event_can_have_is_refused;
    list_executions:
        executions_are_listed_newest_first_in_pages
        executions_of_the_same_millisecond_keep_their_order
        listed_execution_has_the_form_of_describe_execution
        list_is_filtered_by_status_start_time_and_prefix
        no_execution_belongs_to_a_map_run_a_version_or_an_alias
        executions_that_start_between_pages_neither_hide_nor_repeat_others
        invalid_arguments_are_refused_by_name;
    list_flows:
        list_of_no_flows_is_empty
        flows_are_listed_by_name_in_pages_in_the_form_of_describe_flow
        list_holds_only_flows_that_the_key_sees
        flows_are_filtered_by_resource_group
        invalid_limits_and_tokens_are_refused;
    list_schedules:
        flow_has_no_schedules_and_no_next_page
        missing_flow_is_404_and_named
        invalid_arguments_are_refused;
    report_task_failed:
        failed_task_appends_an_event_with_error_and_cause
        invalid_and_missing_arguments_are_refused;
    report_task_succeeded:
        succeeded_task_appends_an_event_with_its_output
        task_can_be_reported_once
        report_on_an_ended_task_or_execution_is_refused
        task_token_survives_a_restart_and_is_the_same_for_a_retried_append
        forged_task_token_is_refused
        task_token_of_a_deleted_flow_is_invalid_for_a_new_flow_of_its_name
        key_reports_only_tasks_of_flows_that_it_sees
        output_must_be_a_json_object_that_fits_into_an_event;
    start_execution:
        started_execution_has_event_1_with_its_input
        missing_input_is_an_empty_object_and_missing_name_is_generated
        name_may_be_a_lower_case_uuid_in_every_action
        uuid_in_another_form_and_a_uuid_as_flow_are_refused
        starting_a_running_execution_answers_it_and_an_ended_one_is_refused
        input_must_be_one_json_object_within_limits
        invalid_names_and_missing_flows_are_refused;
    stop_execution:
        stopped_execution_holds_the_callers_reason
        stop_without_a_reason_is_accepted
        stopping_an_ended_execution_is_refused
        invalid_arguments_are_refused_and_the_execution_runs_on
        answer_holds_the_role_of_the_flow;
    update_flow:
        update_changes_only_the_parameters_that_are_sent
        empty_description_and_role_are_cleared_and_empty_definition_counts_as_absent
        executions_keep_the_definition_they_started_with
        invalid_arguments_are_refused_and_nothing_changes;
}
