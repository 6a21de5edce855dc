-- No order that counts is lost, or counted twice, on its way to the customers.
with customers as (

    select
        sum(order_count) as order_count,
        sum(lifetime_amount) as amount
    from {{ ref('dim_customers') }}

),

orders as (

    select
        count(*) as order_count,
        sum(paid_amount) as amount
    from {{ ref('fct_orders') }}
    where order_status not in ('cancelled', 'returned')

)

select
    customers.order_count as order_count_of_customers,
    orders.order_count,
    customers.amount as amount_of_customers,
    orders.amount
from customers
cross join orders
where
    customers.order_count is distinct from orders.order_count
    or customers.amount is distinct from orders.amount
