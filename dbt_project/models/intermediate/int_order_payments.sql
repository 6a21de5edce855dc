with payments as (

    select * from {{ ref('stg_payments') }}

)

select
    order_id,
    count(*) filter (payment_status = 'failed') as failed_payments,
    coalesce(sum(payment_amount) filter (payment_status = 'settled'), 0) as paid_amount,
    max(created_at) as last_payment_at
from payments
group by order_id
