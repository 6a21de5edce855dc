{{ config(materialized='ephemeral') }} select * from {{ ref('passing') }}
