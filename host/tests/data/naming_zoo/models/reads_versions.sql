select * from {{ ref('animals') }} join {{ ref('animals', v=1) }} using (id)
