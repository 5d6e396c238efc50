alter type product_state add value 'archived';
