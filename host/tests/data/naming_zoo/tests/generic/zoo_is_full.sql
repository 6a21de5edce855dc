{% test zoo_is_full(model) %}
{{ config(severity='WARN') }}
select * from {{ model }} where id is null
{% endtest %}
