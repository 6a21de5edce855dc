with customers as (

    select * from {{ ref('stg_customers') }}

),

orders as (

    select * from {{ ref('int_customer_orders') }}

)

select
    customers.customer_id,
    customers.full_name,
    customers.email,
    customers.country_code,
    customers.created_at,
    orders.first_ordered_at,
    orders.last_ordered_at,
    coalesce(orders.order_count, 0) as order_count,
    coalesce(orders.lifetime_amount, 0) as lifetime_amount,
    case
        when orders.order_count >= 3 then 'regular'
        when orders.order_count >= 1 then 'occasional'
        else 'prospect'
    end as customer_tier
from customers
left join orders on customers.customer_id = orders.customer_id
