{{ config(materialized='ephemeral') }}

with orders as (

    select * from {{ ref('fct_orders') }}

)

select
    customer_id,
    min(ordered_at) as first_ordered_at,
    max(ordered_at) as last_ordered_at,
    count(*) as order_count,
    sum(paid_amount) as lifetime_amount
from orders
where order_status not in ('cancelled', 'returned')
group by customer_id
