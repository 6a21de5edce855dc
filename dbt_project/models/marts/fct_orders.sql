{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='order_id',
        on_schema_change='fail'
    )
}}

with orders as (

    select * from {{ ref('stg_orders') }}

),

payments as (

    select * from {{ ref('int_order_payments') }}

),

joined as (

    select
        orders.order_id,
        orders.customer_id,
        orders.ordered_at,
        orders.order_status,
        orders.order_amount,
        coalesce(payments.paid_amount, 0) as paid_amount,
        coalesce(payments.failed_payments, 0) as failed_payments,
        coalesce(payments.paid_amount, 0) >= orders.order_amount as is_paid,
        -- A payment that comes late changes the order as well.
        greatest(
            orders.updated_at,
            coalesce(payments.last_payment_at, orders.updated_at)
        ) as changed_at
    from orders
    left join payments on orders.order_id = payments.order_id

)

select * from joined

{% if is_incremental() %}
-- Three days of overlap, for rows that arrive late.
where changed_at >= (
    select coalesce(max(changed_at), timestamp '1970-01-01') - interval '3 days'
    from {{ this }}
)
{% endif %}
