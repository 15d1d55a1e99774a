-- A failing statement, its parameters and the row that it would have written stay out of the server's log.
select setting.name as subject,
    format('is %s, must be %s', coalesce(current_setting(setting.name, true), 'unset'), setting.wanted) as fault
from (values
    ('log_min_messages', 'fatal'), ('log_min_error_statement', 'panic'), ('log_statement', 'none'),
    ('log_parameter_max_length', '0'), ('log_parameter_max_length_on_error', '0'),
    ('max_prepared_transactions', '0'), ('row_security', 'on')
) as setting (name, wanted)
where coalesce(current_setting(setting.name, true), 'unset') is distinct from setting.wanted
union all
select extension.name, 'writes statements or parameters to the log'
from (values ('auto_explain.log_min_duration', '-1'), ('pgaudit.log_parameter', 'off')) as extension (name, harmless)
where coalesce(current_setting(extension.name, true), extension.harmless) is distinct from extension.harmless
