-- The seed fills the source's table, which dbt cannot know.
-- depends_on: {{ ref('raw_customers') }}

with customers as (

    select * from {{ source('raw', 'raw_customers') }}

)

select
    id as customer_id,
    first_name,
    last_name,
    first_name || ' ' || last_name as full_name,
    lower(email) as email,
    country as country_code,
    created_at,
    updated_at
from customers
