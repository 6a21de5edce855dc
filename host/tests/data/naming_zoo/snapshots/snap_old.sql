{% snapshot snap_old %}
{{ config(target_schema='history', strategy='check', check_cols='all', unique_key='id') }}
select * from {{ ref('plain') }}
{% endsnapshot %}
