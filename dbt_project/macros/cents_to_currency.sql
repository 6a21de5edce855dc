{% macro cents_to_currency(column_name) -%}
    cast({{ column_name }} / 100.0 as decimal(12, 2))
{%- endmacro %}
