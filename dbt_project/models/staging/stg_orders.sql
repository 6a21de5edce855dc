-- The seed fills the source's table, which dbt cannot know.
-- depends_on: {{ ref('raw_orders') }}

with orders as (

    select * from {{ source('raw', 'raw_orders') }}

)

select
    id as order_id,
    customer_id,
    ordered_at,
    status as order_status,
    {{ cents_to_currency('amount_cents') }} as order_amount,
    updated_at
from orders
